//! Key material on disk, in the layout of Fabric's cryptogen, so that any Fabric client finds its
//! way.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use cordon_identity::{
    CertificateAuthority, IssueRequest, MspConfig, Signer, SigningKey, TlsRequest, Validity,
};
use cordon_types::MspId;

use crate::network::{Organization, User};

const DAY: i64 = 24 * 60 * 60;

/// Name in the hosts' TLS certificates.
pub(crate) const SERVER_NAME: &str = "localhost";

/// The folder of an organisation.
pub(crate) struct OrganizationDir(PathBuf);

impl OrganizationDir {
    pub(crate) fn new(network_dir: &Path, name: &str) -> Self {
        Self(network_dir.join("organizations").join(name))
    }

    pub(crate) fn user(&self, user: &str) -> PathBuf {
        self.0.join("users").join(user)
    }

    pub(crate) fn host(&self) -> PathBuf {
        self.0.join("host")
    }

    fn ca_certificate(&self) -> PathBuf {
        self.0.join("ca/ca-cert.pem")
    }

    pub(crate) fn tls_ca_certificate(&self) -> PathBuf {
        self.0.join("tlsca/tlsca-cert.pem")
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.exists()
    }

    /// The organisation as its channels' configurations name it.
    pub(crate) fn msp_config(&self, msp_id: MspId) -> Result<MspConfig> {
        Ok(MspConfig::new(
            msp_id,
            read(&self.ca_certificate())?,
            read(&self.tls_ca_certificate())?,
        ))
    }

    /// Makes authorities, the host's certificates and one identity per user.
    pub(crate) fn create(&self, organization: &Organization) -> Result<()> {
        let name = &organization.name;
        let now = now();
        // Clocks may differ by as much as proposals are accepted for; what is issued now must be valid
        // everywhere now.
        let long = Validity {
            not_before: now - 3600,
            not_after: now + 3650 * DAY,
        };
        let short = Validity {
            not_before: now - 3600,
            not_after: now + 365 * DAY,
        };
        let ca = CertificateAuthority::create(&format!("ca.{name}"), name, long)?;
        let tls_ca = CertificateAuthority::create(&format!("tlsca.{name}"), name, long)?;
        for (authority, folder, file) in [(&ca, "ca", "ca"), (&tls_ca, "tlsca", "tlsca")] {
            let folder = self.0.join(folder);
            write(
                &folder.join(format!("{file}-cert.pem")),
                &authority.certificate().to_pem()?,
            )?;
            write_secret(&folder.join("priv_sk"), &authority.key().to_pkcs8_pem()?)?;
        }
        write_msp(&self.0.join("msp"), &ca, &tls_ca)?;
        let host = User {
            name: format!("host.{name}"),
            role: "peer".to_owned(),
            attributes: std::collections::BTreeMap::new(),
        };
        Self::issue(&self.host(), &host, "server", (&ca, &tls_ca), short)?;
        for user in &organization.users {
            let mut user = user.clone();
            for (attribute, value) in [
                ("hf.EnrollmentID", user.name.clone()),
                ("uid", user.name.clone()),
                ("hf.Type", user.role.clone()),
            ] {
                user.attributes.entry(attribute.to_owned()).or_insert(value);
            }
            Self::issue(
                &self.user(&user.name),
                &user,
                "client",
                (&ca, &tls_ca),
                short,
            )?;
        }
        Ok(())
    }

    fn issue(
        folder: &Path,
        user: &User,
        tls_name: &str,
        (ca, tls_ca): (&CertificateAuthority, &CertificateAuthority),
        validity: Validity,
    ) -> Result<()> {
        let key = SigningKey::generate()?;
        let request = IssueRequest {
            common_name: user.name.clone(),
            organization: None,
            organizational_unit: Some(user.role.clone()),
            attributes: user.attributes.clone(),
            validity,
        };
        let certificate = ca.issue(&request, &key.public_key()?)?;
        let msp = folder.join("msp");
        write_msp(&msp, ca, tls_ca)?;
        write(
            &msp.join(format!("signcerts/{}-cert.pem", user.name)),
            &certificate.to_pem()?,
        )?;
        write_secret(&msp.join("keystore/priv_sk"), &key.to_pkcs8_pem()?)?;

        let key = SigningKey::generate()?;
        let server = tls_name == "server";
        let request = TlsRequest {
            common_name: user.name.clone(),
            organization: None,
            dns_names: vec![if server {
                SERVER_NAME.to_owned()
            } else {
                user.name.clone()
            }],
            ip_addresses: if server {
                vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()]
            } else {
                Vec::new()
            },
            validity,
        };
        let certificate = tls_ca.issue_tls(&request, &key.public_key()?)?;
        let tls = folder.join("tls");
        write(&tls.join("ca.crt"), &tls_ca.certificate().to_pem()?)?;
        write(&tls.join(format!("{tls_name}.crt")), &certificate.to_pem()?)?;
        write_secret(&tls.join(format!("{tls_name}.key")), &key.to_pkcs8_pem()?)
    }
}

/// What every MSP folder holds: authorities, and which organisational unit is which role.
fn write_msp(msp: &Path, ca: &CertificateAuthority, tls_ca: &CertificateAuthority) -> Result<()> {
    write(
        &msp.join("cacerts/ca-cert.pem"),
        &ca.certificate().to_pem()?,
    )?;
    write(
        &msp.join("tlscacerts/tlsca-cert.pem"),
        &tls_ca.certificate().to_pem()?,
    )?;
    let mut config = "NodeOUs:\n  Enable: true\n".to_owned();
    for (key, unit) in [
        ("Client", "client"),
        ("Peer", "peer"),
        ("Admin", "admin"),
        ("Orderer", "orderer"),
    ] {
        config += &format!(
            "  {key}OUIdentifier:\n    Certificate: cacerts/ca-cert.pem\n    OrganizationalUnitIdentifier: {unit}\n"
        );
    }
    write(&msp.join("config.yaml"), &config)
}

/// The signing identity in an MSP folder.
pub(crate) fn signer(msp_id: MspId, msp: &Path) -> Result<Signer> {
    let certificate = read(&only_file(&msp.join("signcerts"))?)?;
    let key = read(&only_file(&msp.join("keystore"))?)?;
    SigningKey::from_pem(&key)
        .and_then(|key| Signer::new(msp_id, &certificate, key))
        .with_context(|| format!("cannot use the identity in {}", msp.display()))
}

/// The organisation that an MSP folder describes: its authorities in `cacerts` and `tlscacerts`.
pub(crate) fn local_msp(msp_id: MspId, msp: &Path) -> Result<MspConfig> {
    let root = read(&only_file(&msp.join("cacerts"))?)?;
    let tls_root = read(&only_file(&msp.join("tlscacerts"))?)?;
    Ok(MspConfig::new(msp_id, root, tls_root))
}

/// Fabric's tools name these files as they like; there is one in each folder.
fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let first = files
        .first()
        .with_context(|| format!("{} is empty", folder.display()))?;
    Ok(first.path())
}

/// Reads a text file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    write_mode(path, text.as_bytes(), 0o644)
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    write_mode(path, text.as_bytes(), 0o600)
}

fn write_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let error = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(error)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .with_context(error)?;
    file.write_all(bytes).with_context(error)
}

/// Seconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs().cast_signed()
}
