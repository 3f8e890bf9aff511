//! What `peer` needs before it speaks to anybody: files and variables.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cordon_identity::{Certificate, Role, SigningKey};
use cordon_tests::{CARDS, HOSPITAL, Network, SCHOOL, Table};

/// The variables after `. file`, in another folder.
fn sourced(file: &Path, user: &str) -> BTreeMap<String, String> {
    let line = format!("{user} . '{}'; env", file.display());
    let output = Command::new("bash")
        .args(["-euc", &line])
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_files_of_an_organisation_name_what_is_there() {
    let network = Network::provision();
    let mut table = Table::new();
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path);
        text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let hospital = network.dir().join("connections/hospital.env");
    for (user, expected, role) in [
        ("", "admin", Role::Admin),
        ("CORDON_USER=py1;", "py1", Role::Client),
    ] {
        let found = sourced(&hospital, user);
        let path = |name: &str| Path::new(&found[name]).to_owned();
        table.equal(
            "address",
            &*found["CORE_PEER_ADDRESS"],
            &*network.address(HOSPITAL),
        );
        table.equal("TLS", &*found["CORE_PEER_TLS_ENABLED"], "true");
        table.equal("MSP id", &*found["CORE_PEER_LOCALMSPID"], "HospitalMSP");
        let core = read(&path("FABRIC_CFG_PATH").join("core.yaml"));
        table.contains("core.yaml", &core, "peer:\n");
        for authority in ["CORE_PEER_TLS_ROOTCERT_FILE", "ORDERER_CA_PROVIDERS"] {
            let certificate = Certificate::from_pem(read(&path(authority)).as_bytes());
            table.holds(authority, certificate.unwrap().is_ca());
        }
        let address = &*found["ORDERER_ADDRESS_PROVIDERS"];
        table.equal("orderer", address, &*network.address(HOSPITAL));

        // The folder as Fabric reads it.
        let msp = path("CORE_PEER_MSPCONFIGPATH");
        let certificate = read(&msp.join(format!("signcerts/{expected}-cert.pem")));
        let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
        let key = SigningKey::from_pem(&read(&msp.join("keystore/priv_sk"))).unwrap();
        let public = key.public_key().unwrap();
        table.holds(
            "the key",
            public.as_bytes() == certificate.public_key().as_bytes(),
        );
        let units = certificate.organizational_units();
        let unit = if role == Role::Admin {
            "admin"
        } else {
            "client"
        };
        table.equal("role", units, &[unit.to_owned()]);
        let config = read(&msp.join("config.yaml"));
        table.contains("NodeOUs", &config, "NodeOUs:\n  Enable: true\n");
        for line in config.lines() {
            if let Some(named) = line.trim().strip_prefix("Certificate: ") {
                read(&msp.join(named));
            }
        }
    }
    // Of channels that an organisation is no member of it learns nothing here either.
    let school = network.dir().join(format!("connections/{SCHOOL}.env"));
    let found = sourced(&school, "");
    table.equal("MSP id", &*found["CORE_PEER_LOCALMSPID"], "SchoolMSP");
    let named = found
        .keys()
        .any(|name| name.ends_with(&CARDS.to_uppercase()));
    table.holds("cards", !named && !read(&school).contains(CARDS));
}
