//! What types do not say of the API's values: their limits, by the constants that requests are checked with.

use pushnote_core::body::MEDIA_TYPE_BYTES_MAX;
use pushnote_core::envelope::{EVENT_BYTES_MAX, SUBJECTS_MAX};
use pushnote_core::push::{AFTER_MAX_S, MESSAGE_ID_BYTES_MAX, TEXTS_BYTES_MAX, TOPIC_LEN_MAX, TTL_MAX_S};
use pushnote_core::subject::CHANNEL_NAME_BYTES_MAX;
use pushnote_core::user::USER_ID_BYTES_MAX;
use pushnote_webpush::ENDPOINT_BYTES_MAX;
use serde_json::{Value, json};

use super::super::publish::{ID_BYTES_MAX, MESSAGES_MAX};
use super::super::push_direct::SUBSCRIPTIONS_MAX;
use super::super::push_subscriptions::GROUP_BYTES_MAX;

/// No control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

/// No control characters, and no `*` at the end.
const CHANNEL: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u001f\u007f-\u009f*]$";

/// Visible ASCII characters and spaces.
const VISIBLE: &str = "^[ -~]+$";

/// A path, or a URL of the web, without control characters and what Unicode takes as space.
const URL: &str =
    r"^(/|https?://)[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$";

/// 65 bytes, the first of which is 4, in base64.
const POINT: &str = "^B[A-P][A-Za-z0-9_-]{84}[AEIMQUYcgkosw048]$";

/// 16 bytes in base64.
const AUTH: &str = "^[A-Za-z0-9_-]{21}[AQgw]$";

/// Adds them to the description.
pub(super) fn add(document: &mut Value) {
    let paths = &mut document["paths"];
    paths["/v1/channels/{channel}"]["get"]["parameters"][0]["schema"] = text(CHANNEL_NAME_BYTES_MAX, CHANNEL);
    paths["/v1/messages/{id}"]["get"]["parameters"][0]["schema"] = text(MESSAGE_ID_BYTES_MAX, PRINTABLE);
    paths["/v1/users/{user}"]["get"]["parameters"][0]["schema"] = text(USER_ID_BYTES_MAX, PRINTABLE);
    let browsers = &mut paths["/v1/push/subscriptions"]["get"]["parameters"];
    browsers[0]["schema"] = text(USER_ID_BYTES_MAX, PRINTABLE);
    browsers[1]["schema"] = text(ENDPOINT_BYTES_MAX, "^https://");
    let body = &mut paths["/v1/publish"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    extend(&mut body["oneOf"][1], json!({"minItems": 1, "maxItems": MESSAGES_MAX}));

    let schemas = &mut document["components"]["schemas"];
    // As JSON Schema has it, 42.0 is an integer, too; here it is none.
    let number = json!({"type": "integer", "minimum": i64::MIN, "maximum": u64::MAX});
    schemas["UserName"]["oneOf"] = json!([text(USER_ID_BYTES_MAX, PRINTABLE), number]);
    extend(&mut schemas["Users"]["properties"]["users"], json!({"minItems": 1, "maxItems": SUBJECTS_MAX}));
    publish(&mut schemas["Publish"]);
    let option = &mut schemas["PushOption"]["properties"];
    notification(option);
    extend(&mut option["after_s"], json!({"maximum": AFTER_MAX_S}));
    push(&mut schemas["PushRequest"]);
    subscriptions(schemas);
}

/// Title, body, url and icon share their bytes, which JSON Schema cannot say.
fn notification(fields: &mut Value) {
    extend(&mut fields["title"], lengths(TEXTS_BYTES_MAX));
    extend(&mut fields["body"], json!({"maxLength": TEXTS_BYTES_MAX}));
    for url in ["url", "icon"] {
        extend(&mut fields[url], json!({"maxLength": TEXTS_BYTES_MAX, "pattern": URL}));
    }
    extend(&mut fields["ttl_s"], json!({"maximum": TTL_MAX_S}));
    extend(&mut fields["topic"], lengths(TOPIC_LEN_MAX));
    extend(&mut fields["topic"], json!({"pattern": "^[A-Za-z0-9_-]+$"}));
}

/// What holds for the fields of a message, and between them.
fn publish(schema: &mut Value) {
    let fields = &mut schema["properties"];
    fields["channels"]["items"] = text(CHANNEL_NAME_BYTES_MAX, CHANNEL);
    for subjects in ["channels", "users"] {
        extend(&mut fields[subjects], json!({"maxItems": SUBJECTS_MAX}));
    }
    extend(&mut fields["event"], lengths(EVENT_BYTES_MAX));
    extend(&mut fields["event"], json!({"pattern": PRINTABLE}));
    extend(&mut fields["id"], lengths(ID_BYTES_MAX));
    extend(&mut fields["media_type"], lengths(MEDIA_TYPE_BYTES_MAX));
    extend(&mut fields["media_type"], json!({"pattern": VISIBLE}));
    let for_somebody = json!([
        {"required": ["everyone"], "properties": {"everyone": {"const": true}}},
        {"required": ["channels"], "properties": {"channels": {"minItems": 1}}},
        {"required": ["users"], "properties": {"users": {"minItems": 1}}},
    ]);
    let only_users = json!({"properties": {
        "everyone": {"const": false},
        "channels": {"maxItems": 0},
        "id": {"pattern": PRINTABLE},
    }});
    extend(
        schema,
        json!({
            "anyOf": for_somebody,
            "if": {"required": ["media_type"], "properties": {"media_type": {"type": "string"}}},
            "then": {"properties": {"data": {"type": "string"}}},
            "allOf": [{"if": {"required": ["push"], "properties": {"push": {"type": "object"}}}, "then": only_users}],
        }),
    );
}

/// What holds for the fields of a push, and between them.
fn push(schema: &mut Value) {
    let fields = &mut schema["properties"];
    extend(&mut fields["users"], json!({"minItems": 1, "maxItems": SUBJECTS_MAX}));
    extend(&mut fields["except"], json!({"maxItems": SUBJECTS_MAX}));
    extend(&mut fields["group"], text_or_null(GROUP_BYTES_MAX, PRINTABLE));
    notification(fields);
    extend(&mut fields["urgency"], json!({"enum": ["very-low", "low", "normal", "high", null]}));
    for named in ["id", "tag"] {
        extend(&mut fields[named], text_or_null(MESSAGE_ID_BYTES_MAX, PRINTABLE));
    }
    let (is_null, not_null) = (json!({"type": "null"}), json!({"not": {"type": "null"}}));
    let off = json!({"const": false});
    extend(&mut fields["subscriptions"], json!({"minItems": 1, "maxItems": SUBSCRIPTIONS_MAX}));
    let audiences = json!([
        {"required": ["users"], "properties":
            {"users": not_null, "group": is_null, "everyone": off, "subscriptions": is_null}},
        {"required": ["group"], "properties":
            {"users": is_null, "group": not_null, "everyone": off, "subscriptions": is_null}},
        {"required": ["everyone"], "properties":
            {"users": is_null, "group": is_null, "everyone": {"const": true}, "subscriptions": is_null}},
        {"required": ["subscriptions"], "properties":
            {"users": is_null, "group": is_null, "everyone": off, "subscriptions": not_null, "except": {"maxItems": 0}}},
    ]);
    let contents = json!([
        {"required": ["title"], "properties": {"title": not_null, "payload": is_null}},
        {"required": ["payload"], "properties":
            {"payload": not_null, "title": is_null, "body": is_null, "url": is_null, "icon": is_null, "tag": is_null}},
    ]);
    extend(schema, json!({"allOf": [{"oneOf": audiences}, {"oneOf": contents}]}));
}

/// What holds for browsers' subscriptions.
fn subscriptions(schemas: &mut Value) {
    let endpoint = json!({"maxLength": ENDPOINT_BYTES_MAX, "pattern": "^https://"});
    let fields = &mut schemas["PushSubscription"]["properties"];
    extend(&mut fields["endpoint"], endpoint.clone());
    let keys = &mut schemas["PushKeys"]["properties"];
    extend(&mut keys["p256dh"], json!({"pattern": POINT}));
    extend(&mut keys["auth"], json!({"pattern": AUTH}));
    extend(&mut schemas["SubscribeRequest"]["properties"]["group"], text_or_null(GROUP_BYTES_MAX, PRINTABLE));
    let remove = &mut schemas["RemoveRequest"];
    extend(&mut remove["properties"]["endpoint"], endpoint);
    let (is_null, not_null) = (json!({"type": "null"}), json!({"not": {"type": "null"}}));
    let either = json!([
        {"required": ["user"], "properties": {"user": not_null, "endpoint": is_null}},
        {"required": ["endpoint"], "properties": {"user": is_null, "endpoint": not_null}},
    ]);
    extend(remove, json!({"oneOf": either}));
}

/// Its type is said already.
fn text_or_null(bytes_max: usize, pattern: &str) -> Value {
    json!({"minLength": 1, "maxLength": bytes_max, "pattern": pattern})
}

fn text(bytes_max: usize, pattern: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": bytes_max, "pattern": pattern})
}

/// JSON Schema counts characters: of longer ones, fewer are allowed than this says.
fn lengths(bytes_max: usize) -> Value {
    json!({"minLength": 1, "maxLength": bytes_max})
}

fn extend(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}
