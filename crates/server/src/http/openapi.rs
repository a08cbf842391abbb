//! The `OpenAPI` document, made from the proto: its messages are the schemas, its comments their descriptions.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use serde_json::{Map, Value, json};

use crate::v1;

const PACKAGE: &str = ".frontload.v1.";

/// A route: where, how, what goes in, what comes out, what for.
struct Route {
    path: &'static str,
    method: &'static str,
    request: Option<&'static str>,
    response: &'static str,
    call: &'static str,
    parameters: &'static [(&'static str, &'static str, bool)],
}

const ROUTES: [Route; 9] = [
    Route {
        path: "/v1/search",
        method: "post",
        request: Some("SearchRequest"),
        response: "SearchResponse",
        call: "Search",
        parameters: &[],
    },
    Route {
        path: "/v1/search",
        method: "get",
        request: None,
        response: "SearchResponse",
        call: "Search",
        parameters: &[
            ("q", "string", true),
            ("k", "integer", false),
            ("filter", "string", false),
            ("during", "string", false),
            ("group", "boolean", false),
            ("plain", "boolean", false),
        ],
    },
    Route {
        path: "/v1/search/batch",
        method: "post",
        request: Some("SearchBatchRequest"),
        response: "SearchBatchResponse",
        call: "SearchBatch",
        parameters: &[],
    },
    Route {
        path: "/v1/answer",
        method: "post",
        request: Some("AnswerRequest"),
        response: "Answered",
        call: "Answer",
        parameters: &[],
    },
    Route {
        path: "/v1/chunks/{id}",
        method: "get",
        request: None,
        response: "GetChunkResponse",
        call: "GetChunk",
        parameters: &[("id", "string", true), ("with_prompts", "boolean", false)],
    },
    Route {
        path: "/v1/handles",
        method: "get",
        request: None,
        response: "ListHandlesResponse",
        call: "ListHandles",
        parameters: &[
            ("kind", "string", false),
            ("contains", "string", false),
            ("page_size", "integer", false),
            ("page_token", "string", false),
        ],
    },
    Route {
        path: "/v1/stats",
        method: "get",
        request: None,
        response: "StatsResponse",
        call: "Stats",
        parameters: &[],
    },
    Route {
        path: "/v1/feedback",
        method: "post",
        request: Some("FeedbackRequest"),
        response: "FeedbackResponse",
        call: "Feedback",
        parameters: &[],
    },
    Route {
        path: "/v1/reload",
        method: "post",
        request: Some("ReloadRequest"),
        response: "ReloadResponse",
        call: "Reload",
        parameters: &[],
    },
];

/// The whole document.
pub(super) fn document() -> Value {
    let set = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap_or_default();
    let Some(file) = set.file.iter().find(|file| file.package() == "frontload.v1") else { return json!({}) };
    let comments = comments(file);
    let mut schemas = Map::new();
    for (at, message) in file.message_type.iter().enumerate() {
        schemas.insert(message.name().to_owned(), schema(message, (&comments, &[4, at as i32])));
    }
    for (at, values) in file.enum_type.iter().enumerate() {
        schemas.insert(values.name().to_owned(), enumeration(values, (&comments, &[5, at as i32])));
    }
    schemas.insert("Error".to_owned(), error());
    let of = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    schemas.insert(
        "Answered".to_owned(),
        json!({"type": "object", "properties": {"begun": of("AnswerBegun"), "ended": of("AnswerEnded")}}),
    );
    let calls: BTreeMap<&str, &str> = file
        .service
        .iter()
        .flat_map(|service| service.method.iter().enumerate())
        .filter_map(|(at, call)| Some((call.name(), comments.get([6, 0, 2, at as i32].as_slice())?.as_str())))
        .collect();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in &ROUTES {
        let told = calls.get(route.call).copied().unwrap_or_default();
        paths.entry(route.path).or_default().insert(route.method.to_owned(), operation(route, told));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "frontload",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Search by handles, and answers from what was found. The same messages as the gRPC service \
                            frontload.v1, in JSON.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    })
}

fn operation(route: &Route, told: &str) -> Value {
    let of = |name: &str| json!({"schema": {"$ref": format!("#/components/schemas/{name}")}});
    let parameters: Vec<Value> = route
        .parameters
        .iter()
        .map(|(name, kind, required)| {
            let place = if route.path.contains(&format!("{{{name}}}")) { "path" } else { "query" };
            json!({"name": name, "in": place, "required": required, "schema": {"type": kind}})
        })
        .collect();
    let mut content = json!({"application/json": of(route.response)});
    if route.call == "Answer" {
        let told = "Events named begun, text, ended and error; the data is the JSON of AnswerBegun, of {\"text\": …}, of \
                    AnswerEnded, of Error.";
        content["text/event-stream"] = json!({"schema": {"type": "string", "description": told}});
    }
    let mut operation = json!({
        "operationId": format!("{}{}", route.call, if route.method == "get" && route.call == "Search" { "ByAddress" } else { "" }),
        "summary": told,
        "parameters": parameters,
        "responses": {
            "200": {"description": "What was asked for.", "content": content},
            "default": {"description": "What went wrong.", "content": {"application/json": of("Error")}},
        },
    });
    if let Some(request) = route.request {
        operation["requestBody"] = json!({"required": true, "content": {"application/json": of(request)}});
    }
    operation
}

fn error() -> Value {
    json!({"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "properties": {
        "code": {"type": "string", "description": "gRPC's name for it."},
        "reason": {"type": ["string", "null"], "description": "What went wrong, for programs."},
        "message": {"type": "string", "description": "What went wrong, for people."},
        "violations": {"type": "array", "items": {"type": "object", "properties": {
            "field": {"type": "string"}, "description": {"type": "string"}}}},
        "retry_after_seconds": {"type": "integer", "description": "0 where trying again does not help."},
    }}}})
}

/// Every comment of a file by the place of what it stands before.
fn comments(file: &FileDescriptorProto) -> BTreeMap<Vec<i32>, String> {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    places
        .filter(|place| !place.leading_comments().is_empty())
        .map(|place| {
            let lines: Vec<&str> = place.leading_comments().lines().map(str::trim).collect();
            (place.path.clone(), lines.join(" ").trim().to_owned())
        })
        .collect()
}

type Place<'a> = (&'a BTreeMap<Vec<i32>, String>, &'a [i32]);

fn schema(message: &DescriptorProto, (comments, place): Place) -> Value {
    // What a map is on the wire is nobody's business here.
    let maps: BTreeMap<String, &DescriptorProto> = message
        .nested_type
        .iter()
        .filter(|nested| nested.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry))
        .map(|nested| (format!("{PACKAGE}{}.{}", message.name(), nested.name()), nested))
        .collect();
    let mut properties = Map::new();
    for (at, field) in message.field.iter().enumerate() {
        let mut described = property(field, &maps);
        if let Some(told) = comments.get([place, &[2, at as i32]].concat().as_slice()) {
            described["description"] = told.as_str().into();
        }
        properties.insert(field.name().to_owned(), described);
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if let Some(told) = comments.get(place) {
        schema["description"] = told.as_str().into();
    }
    schema
}

fn property(field: &FieldDescriptorProto, maps: &BTreeMap<String, &DescriptorProto>) -> Value {
    if let Some(entry) = maps.get(field.type_name()) {
        let value = entry.field.iter().find(|field| field.name() == "value");
        return json!({"type": "object", "additionalProperties": value.map(single)});
    }
    if field.label() == Label::Repeated {
        return json!({"type": "array", "items": single(field)});
    }
    single(field)
}

fn single(field: &FieldDescriptorProto) -> Value {
    match field.r#type() {
        Type::String | Type::Bytes => json!({"type": "string"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Double | Type::Float => json!({"type": "number"}),
        Type::Uint64 | Type::Int64 | Type::Fixed64 | Type::Sfixed64 | Type::Sint64 => {
            json!({"type": "string", "format": "uint64"})
        }
        Type::Message | Type::Enum | Type::Group => {
            let name = field.type_name().trim_start_matches(PACKAGE);
            json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]})
        }
        _ => json!({"type": "integer"}),
    }
}

fn enumeration(values: &EnumDescriptorProto, (comments, place): Place) -> Value {
    let names: BTreeSet<&str> = values.value.iter().map(prost_types::EnumValueDescriptorProto::name).collect();
    let told: Vec<String> = values
        .value
        .iter()
        .enumerate()
        .filter_map(|(at, value)| {
            let told = comments.get([place, &[2, at as i32]].concat().as_slice())?;
            Some(format!("{}: {told}", value.name()))
        })
        .collect();
    let whole = comments.get(place).map(String::as_str).unwrap_or_default();
    json!({"type": "string", "enum": names, "description": format!("{whole} {}", told.join(" "))})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let referred = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        let missing: BTreeSet<&str> = referred.filter(|name| !schemas.contains_key(*name)).collect();
        assert_eq!(missing, BTreeSet::new());
        let told = &document["components"]["schemas"]["SearchRequest"]["properties"]["query"]["description"];
        assert_eq!(told, "What is looked for; at most 4,096 bytes.");
        assert_eq!(document["paths"]["/v1/search"]["post"]["summary"], "Ranks chunks for a query.");
    }
}
