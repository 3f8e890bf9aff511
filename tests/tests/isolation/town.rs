//! The town, with everything recorded that the School's and the Clinic's hosts say and are told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cordon_client::Client;
use cordon_identity::{Signer, SigningKey};
use cordon_tests::{CLINIC, HOSPITAL, Network, NetworkFile, PARENTS, SCHOOL};

use crate::capture::{Keys, Proxy};
use crate::search::{Source, folder};

/// Every organisation, in the order of the network file, which is that of the ports.
pub(crate) const ORGANIZATIONS: [&str; 4] = [HOSPITAL, CLINIC, PARENTS, SCHOOL];
/// Who is no member of channel `cards`.
pub(crate) const OUTSIDERS: [&str; 2] = [CLINIC, SCHOOL];

/// The town. Whoever speaks to an outsider's host, and whomever it speaks to, does so through a proxy.
pub(crate) struct RecordedTown {
    pub(crate) network: Network,
    proxies: BTreeMap<&'static str, Vec<(String, Proxy)>>,
    printed: BTreeMap<&'static str, String>,
}

impl RecordedTown {
    /// All hosts run, and log all that they can.
    pub(crate) async fn start() -> Self {
        let network = Network::provision_from(NetworkFile::Town, "trace");
        let base = network.port_base();
        let server_name = connection_text(&network, HOSPITAL, "serverName");
        let keys = Arc::new(Keys::read(network.dir(), &ORGANIZATIONS, &server_name));
        let mut proxies = BTreeMap::new();
        for (outsider, really) in OUTSIDERS.into_iter().zip([base + 4, base + 5]) {
            let found = interpose(&network, &keys, outsider, really).await;
            proxies.insert(outsider, found);
        }
        let mut town = Self {
            network,
            proxies,
            printed: BTreeMap::new(),
        };
        for organization in ORGANIZATIONS {
            town.network.start_host(organization);
        }
        town.network.settled_everywhere().await;
        town
    }

    /// Stops the outsiders' hosts, so that nothing is held back from their files.
    pub(crate) fn stop_outsiders(&mut self) {
        for outsider in OUTSIDERS {
            let host = self.network.host(outsider);
            assert!(host.stop("TERM").success(), "{outsider}");
            let printed = self.printed.entry(outsider).or_default();
            printed.push_str(&host.stdout());
        }
    }

    /// And starts them again, on the same files.
    pub(crate) async fn start_outsiders(&mut self) {
        for outsider in OUTSIDERS {
            self.network.start_host(outsider);
        }
        self.network.settled_everywhere().await;
    }

    /// What was said to a host and what it answered (`in`), or what it said to another organisation's
    /// host and was answered (that organisation's name).
    pub(crate) fn recorded(&self, outsider: &str, way: &str) -> Vec<Source> {
        let name = format!("{outsider}, {way}");
        let (_, proxy) = self.proxies[outsider]
            .iter()
            .find(|(found, _)| found == way)
            .unwrap();
        let pieces = proxy.recorded().into_iter();
        pieces.map(|bytes| Source::new(&name, bytes)).collect()
    }

    /// Everything that an outsider's host ever wrote, printed, logged, said or was told.
    pub(crate) fn everything(&self, outsider: &str) -> Vec<Source> {
        let dir = self.network.dir();
        let connection = dir.join(format!("connections/{outsider}.json"));
        let mut sources = folder(&self.folder(outsider));
        sources.push(Source::new("connection", fs::read(connection).unwrap()));
        sources.push(Source::new("log", self.network.log(outsider)));
        let printed = self.printed.get(outsider).cloned().unwrap_or_default();
        sources.push(Source::new("stdout", printed));
        for (way, _) in &self.proxies[outsider] {
            sources.extend(self.recorded(outsider, way));
        }
        for source in &mut sources {
            source.name = format!("{outsider}: {}", source.name);
        }
        sources
    }

    /// All that a host has on its disk.
    pub(crate) fn folder(&self, organization: &str) -> std::path::PathBuf {
        self.network.dir().join("hosts").join(organization)
    }

    /// A client for `organisation/user` at that organisation's host.
    pub(crate) fn client(&self, channel: &str, caller: &str) -> Client {
        self.network.client_on(channel, caller)
    }
}

/// Moves a host to another port, with a proxy in its place, and lets it know its peers by proxies.
async fn interpose(
    network: &Network,
    keys: &Arc<Keys>,
    outsider: &str,
    really: u16,
) -> Vec<(String, Proxy)> {
    let path = network.config(outsider);
    let mut config = fs::read_to_string(&path).unwrap();
    let (address, really) = (network.address(outsider), format!("127.0.0.1:{really}"));
    let (_, port) = address.split_once(':').unwrap();
    let line = format!("address = \"{address}\"\n");
    assert_eq!(config.matches(&line).count(), 1, "{config}");
    config = config.replace(&line, &format!("{line}listen = \"{really}\"\n"));
    let port = port.parse().unwrap();
    let proxy = Proxy::start(keys, outsider, port, really.clone()).await;
    let mut proxies = vec![("in".to_owned(), proxy)];
    config.push_str("\n[address_overrides]\n");
    for peer in ORGANIZATIONS.into_iter().filter(|peer| *peer != outsider) {
        let address = network.address(peer);
        let proxy = Proxy::start(keys, peer, 0, address.clone()).await;
        config += &format!("\"{address}\" = \"{}\"\n", proxy.address());
        proxies.push((peer.to_owned(), proxy));
    }
    fs::write(path, config).unwrap();
    proxies
}

/// A field of `connections/<organization>.json`.
pub(crate) fn connection_text(network: &Network, organization: &str, field: &str) -> String {
    let path = network
        .dir()
        .join(format!("connections/{organization}.json"));
    let file: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    file[field].as_str().unwrap().to_owned()
}

/// The signing identity of an organisation's host.
pub(crate) fn host_signer(network: &Network, organization: &str) -> Arc<Signer> {
    let msp = network
        .dir()
        .join(format!("organizations/{organization}/host/msp"));
    let only = |folder: &Path| {
        let entry = fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        fs::read_to_string(entry.path()).unwrap()
    };
    let id = network.msp_id(organization).parse().unwrap();
    let key = SigningKey::from_pem(&only(&msp.join("keystore"))).unwrap();
    Arc::new(Signer::new(id, &only(&msp.join("signcerts")), key).unwrap())
}
