//! Reflection as a client sees it that has none of our files: grpcurl and its like.

mod common;

use common::{Agent, wait::within};
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

/// One question, one answer.
async fn ask(agent: &Agent, question: MessageRequest) -> MessageResponse {
    let mut client = ServerReflectionClient::new(agent.connect().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let mut answers = within("reflection", answers)
        .await
        .expect("answers")
        .into_inner();
    let answer = within("an answer of reflection", answers.message()).await;
    let answer = answer.expect("an answer").expect("an answer");
    answer.message_response.expect("an answer")
}

async fn file_of(agent: &Agent, symbol: &str) -> FileDescriptorProto {
    let question = MessageRequest::FileContainingSymbol(symbol.into());
    let MessageResponse::FileDescriptorResponse(files) = ask(agent, question).await else {
        panic!("no file for {symbol}");
    };
    let bytes = files.file_descriptor_proto.first().expect("a file");
    FileDescriptorProto::decode(bytes.as_slice()).expect("a file that decodes")
}

#[tokio::test]
async fn every_service_is_listed() {
    let agent = Agent::start().await;
    let MessageResponse::ListServicesResponse(list) =
        ask(&agent, MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list of services");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    names.sort();
    let ours = [
        "Broker", "Clock", "Install", "Metrics", "Network", "Node", "Verify", "Workload",
    ];
    for name in ours.map(|n| format!("continuum.v1.{n}")) {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert!(
        names.contains(&"grpc.health.v1.Health".to_owned()),
        "{names:?}"
    );
}

#[tokio::test]
async fn the_file_of_a_service_decodes_and_has_its_methods() {
    let agent = Agent::start().await;
    let file = file_of(&agent, "continuum.v1.Node").await;
    assert_eq!(file.package(), "continuum.v1");
    let service = file.service.iter().find(|s| s.name() == "Node").unwrap();
    let methods: Vec<_> = service
        .method
        .iter()
        .map(prost_types::MethodDescriptorProto::name)
        .collect();
    assert_eq!(methods, ["Info", "Exec", "Put", "Get", "Logs", "Shutdown"]);
    let exec = &service.method[1];
    assert!(exec.server_streaming() && exec.client_streaming());
    assert_eq!(exec.input_type(), ".continuum.v1.ExecRequest");
}

#[tokio::test]
async fn the_file_of_a_message_and_of_health_decode_too() {
    let agent = Agent::start().await;
    let file = file_of(&agent, "continuum.v1.MetricsSample").await;
    assert!(
        file.message_type
            .iter()
            .any(|m| m.name() == "MetricsSample")
    );
    let file = file_of(&agent, "grpc.health.v1.Health").await;
    assert_eq!(file.package(), "grpc.health.v1");
}

#[tokio::test]
async fn an_unknown_symbol_is_an_answer_of_its_own() {
    let agent = Agent::start().await;
    let mut client = ServerReflectionClient::new(agent.connect().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(
            "continuum.v1.Nonsense".into(),
        )),
    };
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let status = match within("reflection", answers).await {
        Err(status) => status,
        Ok(answers) => within("an answer", answers.into_inner().message())
            .await
            .unwrap_err(),
    };
    assert_eq!(status.code(), tonic::Code::NotFound, "{status}");
}
