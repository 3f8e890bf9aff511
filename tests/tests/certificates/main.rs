//! Certificates over their lifetime, through real processes: issued, renewed while hosts run under load,
//! refused when they do not fit, revoked, expired, and what an operator is told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod authorities;
mod identities;
mod log;
mod refused;
mod renewal;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cordon_identity::{
    Certificate, CertificateAuthority, IssueRequest, SigningKey, TlsRequest, Validity,
};
use cordon_tests::{Cli, Network, craft};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const DAY: i64 = 24 * 60 * 60;

/// Valid now, for a day.
fn valid() -> Validity {
    Validity {
        not_before: craft::now() - 3600,
        not_after: craft::now() + DAY,
    }
}

/// It was, until a minute ago.
fn expired() -> Validity {
    Validity {
        not_before: craft::now() - 3600,
        not_after: craft::now() - 60,
    }
}

/// Runs `cordon` off the threads that the load runs on.
fn cli(network: &Network, args: &[&str]) -> Cli {
    tokio::task::block_in_place(|| network.cli(args))
}

/// Runs `cordon`, which must succeed.
fn done(network: &Network, args: &[&str]) -> Cli {
    let done = cli(network, args);
    assert_eq!(done.code, 0, "{args:?}: {done:?}");
    done
}

/// Runs `cordon`, which must fail; what it says.
fn fails(network: &Network, args: &[&str]) -> String {
    let failed = cli(network, args);
    assert_eq!(failed.code, 1, "{args:?}: {failed:?}");
    failed.stderr
}

/// A file below an organisation's folder.
fn file(network: &Network, organization: &str, path: &str) -> PathBuf {
    let folder = network.dir().join("organizations").join(organization);
    folder.join(path)
}

/// Where the signing certificate of an organisation's host is.
fn signing_path(organization: &str) -> String {
    format!("host/msp/signcerts/host.{organization}-cert.pem")
}

fn certificate(network: &Network, organization: &str, path: &str) -> Certificate {
    Certificate::from_pem(&fs::read(file(network, organization, path)).unwrap()).unwrap()
}

/// The authority of an organisation's TLS certificates.
fn tls_authority(network: &Network, organization: &str) -> CertificateAuthority {
    let read = |path| fs::read_to_string(file(network, organization, path)).unwrap();
    CertificateAuthority::from_pem(&read("tlsca/tlsca-cert.pem"), &read("tlsca/priv_sk")).unwrap()
}

/// A signing certificate, with a key of its own; both PEM.
fn signing(authority: &CertificateAuthority, role: &str, validity: Validity) -> (String, String) {
    let key = SigningKey::generate().unwrap();
    let request = IssueRequest {
        common_name: "host.hospital".to_owned(),
        organization: None,
        organizational_unit: Some(role.to_owned()),
        attributes: BTreeMap::new(),
        validity,
    };
    let issued = authority.issue(&request, &key.public_key().unwrap());
    (
        issued.unwrap().to_pem().unwrap(),
        key.to_pkcs8_pem().unwrap(),
    )
}

/// A TLS certificate for some names, with a key of its own; both PEM.
fn tls(authority: &CertificateAuthority, names: &[&str], validity: Validity) -> (String, String) {
    let key = SigningKey::generate().unwrap();
    let request = TlsRequest {
        common_name: "host.hospital".to_owned(),
        organization: None,
        dns_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ip_addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        validity,
    };
    let issued = authority.issue_tls(&request, &key.public_key().unwrap());
    (
        issued.unwrap().to_pem().unwrap(),
        key.to_pkcs8_pem().unwrap(),
    )
}

/// The certificate that a host shows on a new connection, checked by its authority; DER.
async fn shown(network: &Network, organization: &str) -> Vec<u8> {
    let authority = fs::read(file(network, organization, "tlsca/tlsca-cert.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&authority) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(network.address(organization))
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let connection = connector.connect(name, stream).await.unwrap();
    let certificates = connection.get_ref().1.peer_certificates().unwrap();
    certificates[0].to_vec()
}
