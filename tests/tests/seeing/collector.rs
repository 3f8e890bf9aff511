//! An OpenTelemetry collector that keeps all spans it is sent.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use cordon_tests::Network;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// One step, as a host told of it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// `host:port` of the host.
    pub(crate) host: String,
    pub(crate) name: String,
    /// Hex.
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

type Requests = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// The collector.
pub(crate) struct Collector {
    requests: Requests,
    address: SocketAddr,
}

struct Service(Requests);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Requests::default();
        let service = TraceServiceServer::new(Service(Arc::clone(&requests)));
        let server = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { requests, address }
    }

    /// Lets a host, which does not run yet, send its spans here.
    pub(crate) fn collect_from(&self, network: &Network, organization: &str) {
        let path = network.config(organization);
        let config = fs::read_to_string(&path).unwrap();
        let section = format!("\n[telemetry]\notlp = \"http://{}\"\n", self.address);
        fs::write(path, config + &section).unwrap();
    }

    /// Everything that came, as text.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.requests.lock().unwrap())
    }

    /// All spans that came.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for resource in self
            .requests
            .lock()
            .unwrap()
            .iter()
            .flat_map(|r| &r.resource_spans)
        {
            let about = attributes(&resource.resource.as_ref().unwrap().attributes);
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                spans.push(Span {
                    host: about["service.instance.id"].clone(),
                    name: span.name.clone(),
                    trace: hex::encode(&span.trace_id),
                    id: hex::encode(&span.span_id),
                    parent: hex::encode(&span.parent_span_id),
                    attributes: attributes(&span.attributes),
                });
            }
        }
        spans
    }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    };
    all.iter()
        .map(|attribute| (attribute.key.clone(), text(attribute).unwrap_or_default()))
        .collect()
}
