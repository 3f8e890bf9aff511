//! A host's own certificates: what they are and when they end, and whether they can be used.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use cordon_channel::Channel;
use cordon_identity::{Certificate, Membership, Msp, Role, Signer};
use cordon_order::HostCredentials;
use cordon_types::{ChannelId, MspId};
use time::OffsetDateTime;

use crate::host::HostConfig;
use crate::material::{self, DAY, files};

/// Whoever has a certificate is warned from so many days before it ends.
pub(crate) const WARN_DAYS: i64 = 30;

/// A certificate that a host lives by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateInfo {
    /// `signing`, `TLS`, `authority` or `TLS authority`.
    pub(crate) what: &'static str,
    /// Its subject, RFC 2253.
    pub(crate) subject: String,
    /// Last valid second, Unix time.
    pub(crate) not_after: i64,
}

/// The certificates in a host's files, as they are now. One that cannot be read is told in the log and
/// left out.
pub(crate) fn certificates(config: &HostConfig) -> Vec<CertificateInfo> {
    let mut all = Vec::new();
    for (what, path) in [
        ("signing", config.msp.join("signcerts")),
        ("TLS", config.tls.join("server.crt")),
        ("authority", config.msp.join("cacerts")),
        ("TLS authority", config.msp.join("tlscacerts")),
    ] {
        match read_all(&path) {
            Ok(found) => all.extend(found.iter().map(|certificate| info(what, certificate))),
            Err(error) => tracing::warn!("a certificate cannot be read: {error:#}"),
        }
    }
    all
}

fn info(what: &'static str, certificate: &Certificate) -> CertificateInfo {
    CertificateInfo {
        what,
        subject: certificate.subject().to_owned(),
        not_after: certificate.not_after(),
    }
}

/// The first certificate of a file, or of each file of a folder.
fn read_all(path: &Path) -> Result<Vec<Certificate>> {
    let paths = if path.is_dir() {
        files(path)?
    } else {
        vec![path.to_owned()]
    };
    let read = |path: &std::path::PathBuf| {
        Certificate::from_pem(material::read(path)?.as_bytes())
            .with_context(|| format!("cannot use {}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// `good`, `soon` or `expired`.
pub(crate) fn state(days_left: i64) -> &'static str {
    match days_left {
        ..0 => "expired",
        0..WARN_DAYS => "soon",
        _ => "good",
    }
}

/// Whole days until a certificate ends; negative once it has.
pub(crate) fn days_left(not_after: i64, now: i64) -> i64 {
    (not_after - now).div_euclid(DAY)
}

/// The day of a moment, `2027-01-31`, UTC.
pub(crate) fn day(unix_seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_seconds)
        .map_or_else(|_| unix_seconds.to_string(), |time| time.date().to_string())
}

/// Tells an operator what ends soon or has ended.
pub(crate) fn warn_of_expiry(config: &HostConfig, now: i64) {
    for CertificateInfo {
        what,
        subject,
        not_after,
    } in certificates(config)
    {
        let (left, on) = (days_left(not_after, now), day(not_after));
        if left < 0 {
            let effect = match what {
                "signing" => "; this host does not endorse until it is renewed",
                "TLS" => "; nobody accepts this host's connections until it is renewed",
                _ => "",
            };
            tracing::error!(%subject, "the {what} certificate expired on {on}{effect}");
        } else if left < WARN_DAYS {
            tracing::warn!(%subject, "the {what} certificate expires on {on}, in {left} days");
        }
    }
}

/// What a host shows and signs with: its files, read at one moment.
pub(crate) struct HostMaterial {
    pub(crate) signer: Arc<Signer>,
    /// The TLS certificate and the authorities between it and a root, PEM.
    pub(crate) tls_certificate: String,
    pub(crate) tls_key: String,
    /// Authorities of the organisation's own hosts, PEM.
    pub(crate) tls_roots: String,
    /// The first of `tls_certificate`, then the others.
    shown: Vec<Certificate>,
    /// The organisation as the host's own files describe it.
    pub(crate) local: Arc<Membership>,
}

impl HostMaterial {
    /// Reads the files that a configuration names. A signing key must belong to its certificate; the
    /// rest is for [`HostMaterial::check`].
    pub(crate) fn read(config: &HostConfig) -> Result<Self> {
        let msp_id: MspId = config.msp_id.parse()?;
        let path = config.tls.join("server.crt");
        let tls_certificate = material::read(&path)?;
        let local = material::local_msp(msp_id.clone(), &config.msp)?;
        let tls_roots = local.tls_root_certs.join("\n");
        let local =
            Msp::new(&local).with_context(|| format!("cannot use {}", config.msp.display()))?;
        Ok(Self {
            signer: Arc::new(material::signer(msp_id, &config.msp)?),
            shown: Certificate::all_from_pem(tls_certificate.as_bytes())
                .with_context(|| format!("TLS cannot be set up: cannot use {}", path.display()))?,
            tls_certificate,
            tls_key: material::read(&config.tls.join("server.key"))?,
            tls_roots,
            local: Arc::new(Membership::new([local])),
        })
    }

    /// The TLS certificate.
    pub(crate) fn tls(&self) -> Result<&Certificate> {
        self.shown.first().context("there is no TLS certificate")
    }

    /// What the keeper of a channel's log asks of this host on its connections.
    pub(crate) fn vouch(&self, channel: &ChannelId) -> Result<HostCredentials> {
        let statement = HostCredentials::statement(channel, self.tls()?.der());
        Ok(HostCredentials {
            creator: self.signer.serialized(),
            signature: self.signer.sign(&statement)?,
        })
    }

    /// Whether all others will accept it now: a host's identity and TLS certificate of the organisation,
    /// as every channel's configuration knows it, or its own files when there is no channel.
    ///
    /// Errors say which certificate does not fit, and by whose rules.
    pub(crate) fn check(&self, channels: &[Arc<Channel>], now: i64) -> Result<()> {
        if channels.is_empty() {
            self.check_by(&self.local, now)
                .context("by the authorities in the host's own MSP folder")?;
        }
        for channel in channels {
            self.check_by(channel.current().membership(), now)
                .with_context(|| format!("by the configuration of channel {}", channel.id()))?;
        }
        Ok(())
    }

    fn check_by(&self, membership: &Membership, now: i64) -> Result<()> {
        let msp_id = self.signer.msp_id();
        let msp = membership.msp(msp_id);
        let msp = msp.with_context(|| format!("{msp_id} is no member"))?;
        let identity = msp
            .verify(self.signer.certificate())
            .context("the signing certificate is not accepted")?;
        // Where an organisation does not tell roles apart, everybody is a member and nothing else.
        ensure!(
            identity.has_role(Role::Peer) || identity.role() == Role::Member,
            "the signing certificate is not a host's: its role is {:?} and has to be Peer",
            identity.role()
        );
        let until = day(identity.certificate().not_after());
        identity.check_validity(now).with_context(|| {
            format!("the signing certificate, valid until {until}, is not accepted")
        })?;
        let tls = self.tls()?;
        let between: Vec<&[u8]> = self.shown.iter().skip(1).map(Certificate::der).collect();
        msp.check_host_tls(tls, &between, now).with_context(|| {
            let until = day(tls.not_after());
            format!("the TLS certificate, valid until {until}, is not accepted")
        })
    }

    /// Whether whoever finds this host under a name of the old TLS certificate will find it with this one.
    pub(crate) fn check_names(&self, old: &Self) -> Result<()> {
        let (new, old) = (self.tls()?.tls_names()?, old.tls()?.tls_names()?);
        let lost: Vec<String> = old.difference(&new).cloned().collect();
        ensure!(
            lost.is_empty(),
            "the new TLS certificate does not name {}, as the old one does: others would not find this host",
            lost.join(", ")
        );
        Ok(())
    }
}
