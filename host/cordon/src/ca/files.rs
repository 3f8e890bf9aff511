//! Where an organisation's authorities, identities and their files are: as `cordon init` writes them,
//! as cryptogen does, or as a Fabric CA server keeps its authority.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use cordon_identity::{Certificate, CertificateAuthority, RevocationList};

use crate::material::{self, OrganizationDir, files, only_file};
use crate::network::check_name;

/// The two authorities of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of identities.
    Signing,
    /// Of TLS certificates.
    Tls,
}

impl Kind {
    pub(super) const BOTH: [Self; 2] = [Self::Signing, Self::Tls];

    /// What its certificates are called.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Tls => "TLS",
        }
    }

    /// The authority's folder, and where MSP folders keep its certificate.
    pub(super) fn folders(self) -> (&'static str, &'static str) {
        match self {
            Self::Signing => ("ca", "cacerts"),
            Self::Tls => ("tlsca", "tlscacerts"),
        }
    }
}

/// An organisation's folder.
pub(super) struct Organization {
    pub(super) name: String,
    pub(super) dir: OrganizationDir,
}

impl Organization {
    /// The organisation of that name in a network's folder.
    pub(super) fn open(network: &Path, name: &str) -> Result<Self> {
        let known = Self::names(network)?;
        ensure!(
            known.iter().any(|known| known == name),
            "there is no organization {name} in {}; there are {}",
            network.display(),
            known.join(", ")
        );
        Ok(Self {
            name: name.to_owned(),
            dir: OrganizationDir::new(network, name),
        })
    }

    /// `ORG/NAME` taken apart.
    pub(super) fn of<'a>(network: &Path, who: &'a str) -> Result<(Self, &'a str)> {
        let (organization, name) = who.split_once('/').with_context(|| {
            format!("{who:?} is not organisation/name, for example hospital/hc1")
        })?;
        Ok((Self::open(network, organization)?, name))
    }

    pub(super) fn names(network: &Path) -> Result<Vec<String>> {
        let folder = network.join("organizations");
        let folders = files(&folder).with_context(|| {
            format!("there are no organizations: give the network's folder with --dir, or make one (cordon init --dir {})", network.display())
        })?;
        let names = folders.iter().filter(|folder| folder.is_dir());
        Ok(names.filter_map(|folder| file_name(folder)).collect())
    }

    /// Held while files are changed: of two commands at once the second waits.
    pub(super) fn lock(&self) -> Result<File> {
        let path = self.dir.path().join("lock");
        let error = || format!("cannot lock {}", path.display());
        let file = File::create(&path).with_context(error)?;
        file.lock().with_context(error)?;
        Ok(file)
    }

    // === authorities ===

    /// The file with an authority's certificate; while it is renewed, others follow the one that issues.
    pub(super) fn authority_file(&self, kind: Kind) -> Result<PathBuf> {
        authority_file(&self.dir.path().join(kind.folders().0))
    }

    /// The authorities whose certificates are trusted: first the one that issues.
    pub(super) fn authorities(&self, kind: Kind) -> Result<Vec<Certificate>> {
        let path = self.authority_file(kind)?;
        Certificate::all_from_pem(material::read(&path)?.as_bytes())
            .with_context(|| format!("cannot use {}", path.display()))
    }

    /// The authority that issues.
    pub(super) fn authority(&self, kind: Kind) -> Result<CertificateAuthority> {
        authority_in(&self.dir.path().join(kind.folders().0))
    }

    /// Where an authority's renewed certificate and key wait to be used.
    pub(super) fn next(&self, kind: Kind) -> PathBuf {
        self.dir.path().join(kind.folders().0).join("next")
    }

    /// Both authorities.
    pub(super) fn both(&self) -> Result<(CertificateAuthority, CertificateAuthority)> {
        Ok((self.authority(Kind::Signing)?, self.authority(Kind::Tls)?))
    }

    /// Whom the organisation has revoked; `None` before there is a list.
    pub(super) fn revoked(&self) -> Result<Option<RevocationList>> {
        let path = self.dir.revocation_list();
        if !path.exists() {
            return Ok(None);
        }
        let list =
            RevocationList::from_pem(&material::read(&path)?, &self.authorities(Kind::Signing)?);
        let list = list.with_context(|| format!("cannot use {}", path.display()))?;
        Ok(Some(list))
    }

    // === identities ===

    /// Everybody with a certificate: hosts, then users.
    pub(super) fn identities(&self) -> Result<Vec<Identity>> {
        let root = self.dir.path();
        let mut folders = vec![root.join("host")];
        for group in ["hosts", "peers", "orderers", "users"] {
            if root.join(group).is_dir() {
                folders.extend(files(&root.join(group))?);
            }
        }
        let there = folders
            .into_iter()
            .filter(|f| f.join("msp/signcerts").is_dir());
        let identity = |folder: PathBuf| {
            Some(Identity {
                name: file_name(&folder)?,
                folder,
            })
        };
        Ok(there.filter_map(identity).collect())
    }

    /// One of them: by the folder's name, or by the name in the certificate.
    pub(super) fn identity(&self, name: &str) -> Result<Identity> {
        let all = self.identities()?;
        let named = |identity: &&Identity| {
            let certificate = identity.certificate(Kind::Signing).ok();
            certificate.is_some_and(|c| c.common_name() == Some(name))
        };
        let found = all.iter().find(|identity| identity.name == name);
        let found = found.or_else(|| all.iter().find(named));
        found.cloned().with_context(|| {
            let names: Vec<&str> = all.iter().map(|identity| identity.name.as_str()).collect();
            format!(
                "organization {} has no {name}; there are {}",
                self.name,
                names.join(", ")
            )
        })
    }

    /// Where a new user or host goes; refused when the name is taken.
    pub(super) fn new_identity(&self, name: &str, role: &str) -> Result<PathBuf> {
        check_name("user", name)?;
        if self.identity(name).is_ok() {
            bail!(
                "{0}/{name} is there already: cordon ca renew {0}/{name} gives it a new certificate, or choose another name",
                self.name
            );
        }
        Ok(if role == "peer" {
            self.dir.path().join("peers").join(name)
        } else {
            self.dir.user(name)
        })
    }

    /// All MSP folders: the organisation's own and everybody's.
    pub(super) fn msps(&self) -> Result<Vec<PathBuf>> {
        let own = self.dir.path().join("msp");
        let mut all: Vec<PathBuf> = own.is_dir().then_some(own).into_iter().collect();
        all.extend(self.identities()?.iter().map(|i| i.folder.join("msp")));
        Ok(all)
    }
}

/// Somebody's folder.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

impl Identity {
    /// Certificate and key.
    ///
    /// Errors when there is no such file; a user of cryptogen may be without TLS.
    pub(super) fn files(&self, kind: Kind) -> Result<(PathBuf, PathBuf)> {
        let msp = self.folder.join("msp");
        if kind == Kind::Signing {
            return Ok((
                only_file(&msp.join("signcerts"))?,
                only_file(&msp.join("keystore"))?,
            ));
        }
        let tls = self.folder.join("tls");
        for name in ["server", "client"] {
            let certificate = tls.join(format!("{name}.crt"));
            if certificate.exists() {
                return Ok((certificate, tls.join(format!("{name}.key"))));
            }
        }
        bail!("{} holds no certificate", tls.display())
    }

    /// The certificate in use.
    pub(super) fn certificate(&self, kind: Kind) -> Result<Certificate> {
        let (path, _) = self.files(kind)?;
        Certificate::from_pem(material::read(&path)?.as_bytes())
            .with_context(|| format!("cannot use {}", path.display()))
    }

    /// Where certificates go that a renewal replaced.
    pub(super) fn old(&self) -> PathBuf {
        self.folder.join("old")
    }

    /// The signing certificates that were replaced. Until they end, whoever has their keys can use them.
    pub(super) fn replaced(&self) -> Result<Vec<Certificate>> {
        let folder = self.old();
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let is_one = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "pem")
                && file_name(path).is_some_and(|name| name.starts_with("signing-"))
        };
        let paths = files(&folder)?;
        let read = |path: &PathBuf| {
            Certificate::from_pem(material::read(path)?.as_bytes())
                .with_context(|| format!("cannot use {}", path.display()))
        };
        paths.iter().filter(|path| is_one(path)).map(read).collect()
    }
}

/// A serial as tools print it.
pub(super) fn serial(certificate: &Certificate) -> String {
    hex::encode(certificate.serial())
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

fn authority_file(folder: &Path) -> Result<PathBuf> {
    let mut paths = files(folder).with_context(|| {
        format!(
            "{} is not here; issue where the authority is kept",
            folder.display()
        )
    })?;
    paths.retain(|path| file_name(path).is_some_and(|name| name.ends_with("-cert.pem")));
    let first = paths.into_iter().next();
    first.with_context(|| format!("{} holds no certificate of an authority", folder.display()))
}

/// The authority in a folder: its certificate, and whichever key there belongs to it.
pub(super) fn authority_in(folder: &Path) -> Result<CertificateAuthority> {
    let certificate = material::read(&authority_file(folder)?)?;
    let mut keys = files(folder)?;
    let keystore = folder.join("msp/keystore");
    if keystore.is_dir() {
        keys.extend(files(&keystore)?);
    }
    for path in keys.iter().filter(|path| path.is_file()) {
        let Ok(key) = fs::read_to_string(path) else {
            continue;
        };
        if key.contains("PRIVATE KEY")
            && let Ok(authority) = CertificateAuthority::from_pem(&certificate, &key)
        {
            return Ok(authority);
        }
    }
    bail!(
        "the key of the authority is not in {}: run this where it is kept",
        folder.display()
    )
}
