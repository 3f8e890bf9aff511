//! What a channel knows of an organisation: the part of its genesis document that this crate reads.

use cordon_types::MspId;
use serde::{Deserialize, Serialize};

/// An organisation's authorities and rules. All certificates are PEM text, one certificate each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MspConfig {
    /// The organisation.
    #[serde(with = "msp_id")]
    pub msp_id: MspId,
    /// Authorities that are trusted as they stand. At least one.
    pub root_certs: Vec<String>,
    /// Authorities that are trusted when a root, or another of these, issued them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intermediate_certs: Vec<String>,
    /// Certificates that are administrators whatever their unit. They must be valid identities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<String>,
    /// Revocation lists, PEM (`X509 CRL`), each signed by an authority named here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_list: Vec<String>,
    /// Authorities for TLS certificates. Empty: the organisation has no mutual TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls_root_certs: Vec<String>,
    /// How roles are told apart.
    #[serde(default)]
    pub node_ous: NodeOus,
}

impl MspConfig {
    /// A configuration with one root, one TLS root, roles on and nothing revoked.
    pub fn new(msp_id: MspId, root_cert: String, tls_root_cert: String) -> Self {
        Self {
            msp_id,
            root_certs: vec![root_cert],
            intermediate_certs: Vec::new(),
            admins: Vec::new(),
            revocation_list: Vec::new(),
            tls_root_certs: vec![tls_root_cert],
            node_ous: NodeOus::default(),
        }
    }
}

/// The organisational units that give roles.
///
/// Source: Fabric NodeOUs (msp/configbuilder.go). By default on, with Fabric's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeOus {
    /// Off: identities are members and, when listed, administrators; no other role is known.
    pub enabled: bool,
    /// Unit of users and applications.
    pub client: String,
    /// Unit of endorsing hosts.
    pub peer: String,
    /// Unit of administrators.
    pub admin: String,
    /// Unit of ordering hosts.
    pub orderer: String,
}

impl Default for NodeOus {
    fn default() -> Self {
        Self {
            enabled: true,
            client: "client".to_owned(),
            peer: "peer".to_owned(),
            admin: "admin".to_owned(),
            orderer: "orderer".to_owned(),
        }
    }
}

/// [`MspId`] as text, checked when read.
mod msp_id {
    use cordon_types::MspId;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &MspId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<MspId, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_strictly() {
        let config: MspConfig =
            serde_json::from_str(r#"{"msp_id":"Org1","root_certs":["x"]}"#).unwrap();
        assert_eq!(config.node_ous, NodeOus::default());
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<MspConfig>(&text).unwrap(), config);
        for bad in [
            r#"{"msp_id":"Org 1","root_certs":[]}"#,
            r#"{"msp_id":"Org1"}"#,
            r#"{"msp_id":"Org1","root_certs":[],"roots":[]}"#,
            r#"{"msp_id":"Org1","root_certs":[],"node_ous":{"enable":false}}"#,
        ] {
            assert!(serde_json::from_str::<MspConfig>(bad).is_err(), "{bad}");
        }
    }
}
