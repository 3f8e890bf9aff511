//! Whether the host can do its work, in the words of Fabric's health checks.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Watched, disk};

/// An ordering log may be away for that long: its host is started again, for example.
const ORDERING_LOST_MAX: Duration = Duration::from_secs(10);

/// What fails, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// `disk`, or `channel` and its name.
    pub(crate) component: String,
    pub(crate) reason: String,
}

impl Watched {
    /// What keeps this host from committing; nothing when it is healthy.
    pub(crate) fn unhealthy(&self) -> Vec<Failed> {
        let mut failed = Vec::new();
        for channel in &self.channels {
            let lost = channel.measures().ordering_lost();
            let lost = lost.filter(|lost| lost.since.elapsed() > ORDERING_LOST_MAX);
            let reason = match (channel.stopped(), lost) {
                (Some(reason), _) => format!("stopped: {reason}"),
                (None, Some(lost)) => format!(
                    "the ordering log has not been reachable for {} s: {}",
                    lost.since.elapsed().as_secs(),
                    lost.reason
                ),
                (None, None) => continue,
            };
            let component = format!("channel {}", channel.id());
            failed.push(Failed { component, reason });
        }
        if let Some(reason) = disk::complaint(disk::room(&self.config.data)) {
            let component = "disk".to_owned();
            failed.push(Failed { component, reason });
        }
        failed
    }

    /// What keeps clients from being sent here; nothing when it is ready. Once it has caught up a host
    /// stays ready while it is healthy: others are a block ahead at times.
    pub(crate) fn not_ready(&self) -> Vec<Failed> {
        let mut failed = self.unhealthy();
        if self.stopping.load(Relaxed) {
            failed.push(Failed {
                component: "host".to_owned(),
                reason: "the host is shutting down".to_owned(),
            });
        } else if !self.caught_up.load(Relaxed) {
            for channel in &self.channels {
                let lag = self.lag(channel);
                let reason = if channel.measures().ordering_lost().is_some() {
                    "the ordering log has not answered yet".to_owned()
                } else if lag > 0 {
                    format!("catching up: {lag} blocks behind")
                } else {
                    continue;
                };
                let component = format!("channel {}", channel.id());
                failed.push(Failed { component, reason });
            }
            if failed.is_empty() {
                failed.push(Failed {
                    component: "host".to_owned(),
                    reason: "the other hosts have not been asked yet".to_owned(),
                });
            }
        }
        failed
    }
}
