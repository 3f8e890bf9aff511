//! Everything that is said over a host's connections, in plain: a proxy that ends TLS and HTTP/2 with
//! the key of the host it stands for, and says the same onwards with the key of whoever called.
//!
//! What is recorded is what HTTP/2 carries, not its frames: headers and trailers as text, because
//! Huffman coding would hide them from a search; binary ones decoded; each body in one piece, however
//! it was cut.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http2 as client;
use hyper::header::HeaderMap;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A binary header's value, padded or not.
const BINARY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// TLS identities of a network's hosts, by organisation.
pub(crate) struct Keys {
    hosts: BTreeMap<String, HostKey>,
    roots: Arc<RootCertStore>,
    server_name: ServerName<'static>,
}

struct HostKey {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Keys {
    /// Those of these organisations in a network's folder, whose certificates name `server_name`.
    pub(crate) fn read(dir: &Path, organizations: &[&str], server_name: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let mut hosts = BTreeMap::new();
        for organization in organizations {
            let folder = dir.join("organizations").join(organization);
            let root = fs::read(folder.join("tlsca/tlsca-cert.pem")).unwrap();
            roots
                .add(CertificateDer::from_pem_slice(&root).unwrap())
                .unwrap();
            let certificates = fs::read(folder.join("host/tls/server.crt")).unwrap();
            let key = fs::read(folder.join("host/tls/server.key")).unwrap();
            let host = HostKey {
                certificates: CertificateDer::pem_slice_iter(&certificates)
                    .map(Result::unwrap)
                    .collect(),
                key: PrivateKeyDer::from_pem_slice(&key).unwrap(),
            };
            hosts.insert((*organization).to_owned(), host);
        }
        Self {
            hosts,
            roots: Arc::new(roots),
            server_name: ServerName::try_from(server_name.to_owned()).unwrap(),
        }
    }

    fn acceptor(&self, organization: &str) -> TlsAcceptor {
        let HostKey { certificates, key } = &self.hosts[organization];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&provider),
        );
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(certificates.clone(), key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// For whoever showed `certificate`, or none.
    fn connector(&self, certificate: Option<&CertificateDer<'_>>) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match certificate {
            None => config.with_no_client_auth(),
            Some(certificate) => {
                let shown = |host: &&HostKey| host.certificates[0] == *certificate;
                let HostKey { certificates, key } = self.hosts.values().find(shown).unwrap();
                config
                    .with_client_auth_cert(certificates.clone(), key.clone_key())
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// What one side said in one call.
type Tape = Arc<Mutex<Vec<u8>>>;

/// A proxy before a host. Ends, and breaks its connections, when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    tapes: Arc<Mutex<Vec<Tape>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on `port` (0: any) as the host of `organization`, which really listens on `target`.
    pub(crate) async fn start(
        keys: &Arc<Keys>,
        organization: &str,
        port: u16,
        target: String,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tapes = Arc::<Mutex<Vec<Tape>>>::default();
        let acceptor = keys.acceptor(organization);
        let (keys, recorder) = (Arc::clone(keys), Arc::clone(&tapes));
        let task = tokio::spawn(async move {
            // Connections end with the set that they are in.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (keys, acceptor) = (Arc::clone(&keys), acceptor.clone());
                let (target, tapes) = (target.clone(), Arc::clone(&recorder));
                connections.spawn(async move {
                    // A host that is not there, or a caller that goes, breaks the other connection.
                    let _ = carry(stream, &acceptor, &keys, &target, tapes).await;
                });
            }
        });
        Self {
            address,
            tapes,
            task,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Everything recorded so far: two pieces for each call, what was asked and what was answered.
    pub(crate) fn recorded(&self) -> Vec<Vec<u8>> {
        let tapes = self.tapes.lock().unwrap();
        tapes
            .iter()
            .map(|tape| tape.lock().unwrap().clone())
            .collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection: accepted, made again onwards, and every call carried over.
async fn carry(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    keys: &Keys,
    target: &str,
    tapes: Arc<Mutex<Vec<Tape>>>,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let incoming = acceptor.accept(stream).await?;
    let shown = incoming.get_ref().1.peer_certificates();
    let connector = keys.connector(shown.and_then(<[_]>::first));
    let onwards = TcpStream::connect(target).await?;
    onwards.set_nodelay(true)?;
    let onwards = connector.connect(keys.server_name.clone(), onwards).await?;
    let (calls, onwards) = client::handshake(TokioExecutor::new(), TokioIo::new(onwards))
        .await
        .map_err(Error::other)?;
    let service = service_fn(move |request: Request<Incoming>| {
        let mut calls = calls.clone();
        let [asked, answered] = [Tape::default(), Tape::default()];
        tapes
            .lock()
            .unwrap()
            .extend([Arc::clone(&asked), Arc::clone(&answered)]);
        async move {
            let (head, body) = request.into_parts();
            asked
                .lock()
                .unwrap()
                .extend_from_slice(format!("{} {}\n", head.method, head.uri).as_bytes());
            write_headers(&asked, &head.headers);
            let request = Request::from_parts(head, Recorded::new(body, asked));
            let (head, body) = calls.send_request(request).await?.into_parts();
            write_headers(&answered, &head.headers);
            Ok::<_, hyper::Error>(Response::from_parts(head, Recorded::new(body, answered)))
        }
    });
    let serving = server::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(incoming), service);
    let ended = tokio::select! {
        ended = serving => ended,
        ended = onwards => ended,
    };
    ended.map_err(|error| Error::new(ErrorKind::ConnectionAborted, error))
}

fn write_headers(tape: &Tape, headers: &HeaderMap) {
    let mut tape = tape.lock().unwrap();
    for (name, value) in headers {
        tape.extend_from_slice(name.as_str().as_bytes());
        tape.extend_from_slice(b": ");
        tape.extend_from_slice(value.as_bytes());
        tape.push(b'\n');
        if name.as_str().ends_with("-bin") {
            tape.extend(BINARY.decode(value.as_bytes()).unwrap());
            tape.push(b'\n');
        }
    }
}

/// A body that is written down as it passes.
struct Recorded {
    body: Incoming,
    tape: Tape,
}

impl Recorded {
    fn new(body: Incoming, tape: Tape) -> Self {
        Self { body, tape }
    }
}

impl Body for Recorded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            if let Some(data) = frame.data_ref() {
                self.tape.lock().unwrap().extend_from_slice(data);
            }
            if let Some(trailers) = frame.trailers_ref() {
                write_headers(&self.tape, trailers);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
