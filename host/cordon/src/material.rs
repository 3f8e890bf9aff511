//! Key material on disk, in the layout of Fabric's cryptogen, so that any Fabric client finds its
//! way.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use cordon_identity::{
    Certificate, CertificateAuthority, IssueRequest, MspConfig, Signer, SigningKey, TlsRequest,
    Validity,
};
use cordon_types::MspId;

use crate::network::{Organization, User};

/// Seconds.
pub(crate) const DAY: i64 = 24 * 60 * 60;
/// How long certificates of people and hosts are valid, when nobody says otherwise.
pub(crate) const DAYS: u32 = 365;

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

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where a further host's certificates are.
    pub(crate) fn further_host(&self, host: &str) -> PathBuf {
        self.0.join("hosts").join(host)
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
        let certificates = |path: PathBuf| certificates_in(&[path]);
        let list = self.revocation_list();
        msp_config(
            msp_id,
            certificates(self.ca_certificate())?,
            certificates(self.tls_ca_certificate())?,
            list.exists().then_some(list).as_slice(),
        )
    }

    /// Whom the organisation's authority has revoked; absent while nobody is.
    pub(crate) fn revocation_list(&self) -> PathBuf {
        self.0.join("ca/crl.pem")
    }

    /// Makes authorities, the host's certificates and one identity per user.
    pub(crate) fn create(&self, organization: &Organization) -> Result<()> {
        let name = &organization.name;
        let now = now();
        let (long, short) = (validity(now, 3650), validity(now, DAYS));
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
        let names = server_names();
        Self::issue(&self.host(), &host, &names, (&ca, &tls_ca), short)?;
        for user in &organization.users {
            let mut user = user.clone();
            add_usual_attributes(&mut user);
            let names = [user.name.clone()];
            Self::issue(&self.user(&user.name), &user, &names, (&ca, &tls_ca), short)?;
        }
        Ok(())
    }

    /// Issues certificates for a further host of the organisation, by its authorities, into
    /// [`OrganizationDir::further_host`].
    pub(crate) fn issue_host(&self, name: &str, host: &str) -> Result<()> {
        let authority = |folder: &str, file: &str| {
            let folder = self.0.join(folder);
            CertificateAuthority::from_pem(
                &read(&folder.join(format!("{file}-cert.pem")))?,
                &read(&folder.join("priv_sk"))?,
            )
            .with_context(|| format!("cannot use the authority in {}", folder.display()))
        };
        let (ca, tls_ca) = (authority("ca", "ca")?, authority("tlsca", "tlsca")?);
        let now = now();
        let validity = Validity {
            not_before: now - 3600,
            not_after: now + 365 * DAY,
        };
        let user = User {
            name: format!("{host}.{name}"),
            role: "peer".to_owned(),
            attributes: std::collections::BTreeMap::new(),
        };
        let folder = self.further_host(host);
        let names = server_names();
        Self::issue(&folder, &user, &names, (&ca, &tls_ca), validity)
    }

    /// Makes a new identity in `folder`, a signing and a TLS certificate with their keys; `tls_names` are
    /// DNS names and addresses.
    pub(crate) fn issue(
        folder: &Path,
        user: &User,
        tls_names: &[String],
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
        let tls_name = if user.role == "peer" {
            "server"
        } else {
            "client"
        };
        let is_address = |name: &&String| name.parse::<IpAddr>().is_ok();
        let dns_names = tls_names.iter().filter(|name| !is_address(name));
        let request = TlsRequest {
            common_name: user.name.clone(),
            organization: None,
            dns_names: dns_names.cloned().collect(),
            ip_addresses: tls_names.iter().filter_map(|n| n.parse().ok()).collect(),
            validity,
        };
        let certificate = tls_ca.issue_tls(&request, &key.public_key()?)?;
        let tls = folder.join("tls");
        write(&tls.join("ca.crt"), &tls_ca.certificate().to_pem()?)?;
        write(&tls.join(format!("{tls_name}.crt")), &certificate.to_pem()?)?;
        write_secret(&tls.join(format!("{tls_name}.key")), &key.to_pkcs8_pem()?)
    }
}

/// From an hour ago, because clocks may differ by as much as proposals are accepted for, and what is
/// issued now must be valid everywhere now.
pub(crate) fn validity(now: i64, days: u32) -> Validity {
    Validity {
        not_before: now - 3600,
        not_after: now + i64::from(days) * DAY,
    }
}

/// The names in a host's TLS certificate, when nobody gives others.
pub(crate) fn server_names() -> Vec<String> {
    [SERVER_NAME, "127.0.0.1", "::1"].map(str::to_owned).into()
}

/// What contracts and Fabric's tools expect to find in every user's certificate.
pub(crate) fn add_usual_attributes(user: &mut User) {
    for (attribute, value) in [
        ("hf.EnrollmentID", user.name.clone()),
        ("uid", user.name.clone()),
        ("hf.Type", user.role.clone()),
    ] {
        user.attributes.entry(attribute.to_owned()).or_insert(value);
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

/// The organisation that an MSP folder describes: its authorities in `cacerts` and `tlscacerts`, whom
/// they have revoked in `crls`, if there is such a folder.
pub(crate) fn local_msp(msp_id: MspId, msp: &Path) -> Result<MspConfig> {
    let lists = msp.join("crls");
    let lists = if lists.exists() {
        files(&lists)?
    } else {
        Vec::new()
    };
    msp_config(
        msp_id,
        certificates_in(&files(&msp.join("cacerts"))?)?,
        certificates_in(&files(&msp.join("tlscacerts"))?)?,
        &lists,
    )
}

fn msp_config(
    msp_id: MspId,
    roots: Vec<String>,
    tls_roots: Vec<String>,
    lists: &[PathBuf],
) -> Result<MspConfig> {
    let mut config = MspConfig::new(msp_id, String::new(), String::new());
    config.root_certs = roots;
    config.tls_root_certs = tls_roots;
    config.revocation_list = lists.iter().map(|p| read(p)).collect::<Result<_>>()?;
    Ok(config)
}

/// Every certificate of these files, one text each. More than one while an authority is renewed.
fn certificates_in(paths: &[PathBuf]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in paths {
        let found = Certificate::all_from_pem(read(path)?.as_bytes())
            .with_context(|| format!("cannot use {}", path.display()))?;
        for certificate in found {
            all.push(certificate.to_pem()?);
        }
    }
    Ok(all)
}

/// The files of a folder, by name; hidden ones, which are about to replace others, are left out.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    paths.retain(|path| !hidden(path));
    paths.sort();
    Ok(paths)
}

/// Fabric's tools name these files as they like; there is one in each folder.
pub(crate) fn only_file(folder: &Path) -> Result<PathBuf> {
    let first = files(folder)?.into_iter().next();
    first.with_context(|| format!("{} is empty", folder.display()))
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
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    write_mode(path, text.as_bytes(), 0o600)
}

/// Replaces a file as a whole: whoever reads it meanwhile finds the old text or the new one, and so
/// does whoever reads it after a crash.
pub(crate) fn replace(path: &Path, text: &str, secret: bool) -> Result<()> {
    let error = || format!("cannot write {}", path.display());
    let name = path.file_name().with_context(error)?.to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    let _ = fs::remove_file(&new);
    write_mode(&new, text.as_bytes(), if secret { 0o600 } else { 0o644 })?;
    fs::File::open(&new)
        .and_then(|file| file.sync_all())
        .with_context(error)?;
    fs::rename(&new, path).with_context(error)?;
    let folder = path.parent().with_context(error)?;
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(error)
}

/// Writes a file with this mode.
pub(crate) fn write_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
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
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs().cast_signed()
}
