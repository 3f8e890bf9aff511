//! The Cedar schema of a contract's access policies, and the entities of a call.
//!
//! In Cedar's own words, for a contract with `HealthCenter:CreateEmr` and a lone `Version`:
//!
//! ```cedar
//! entity Caller = { "organization": String, "enrollmentId": String } tags String;
//! entity Contract = { "channel": String };
//! action "HealthCenter";
//! action "HealthCenter:CreateEmr" in "HealthCenter"
//!     appliesTo { principal: Caller, resource: Contract, context: {} };
//! action "Version" appliesTo { principal: Caller, resource: Contract, context: {} };
//! ```
//!
//! Certificate attributes are tags: their names are not known beforehand and may be any text, and
//! the validator insists on `hasTag` before `getTag`. The schema is made as JSON, in which a
//! strange name needs no quoting of ours.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema,
};
use cordon_types::{Caller, ChannelId, ContractId};
use serde_json::{Map, Value, json};

use super::Function;

/// Entity types that policies can name.
pub(super) const CALLER: &str = "Caller";
pub(super) const CONTRACT: &str = "Contract";
pub(super) const ACTION: &str = "Action";

/// What a contract's policies are checked against and run on.
pub(super) struct Model {
    pub(super) schema: Schema,
    pub(super) principal: EntityUid,
    pub(super) resource: EntityUid,
    pub(super) functions: BTreeMap<String, Function>,
    /// Interfaces: action groups.
    pub(super) groups: BTreeSet<String>,
}

/// The interface of a canonical function name, if it has one.
fn group(function: &str) -> Option<&str> {
    function.split_once(':').map(|(interface, _)| interface)
}

/// The model of a contract, or what Cedar has against it.
pub(super) fn model(
    channel: &ChannelId,
    contract: &ContractId,
    functions: &[String],
) -> Result<Model, String> {
    let names: BTreeSet<&str> = functions.iter().map(String::as_str).collect();
    let groups: BTreeSet<&str> = names.iter().filter_map(|name| group(name)).collect();
    let string = json!({ "type": "String" });
    let actions: Map<String, Value> = groups
        .iter()
        .map(|name| ((*name).to_owned(), json!({})))
        // A function of the same name as an interface takes the group's place; no policy can name
        // either (see `compile`).
        .chain(names.iter().map(|name| {
            let parents: Vec<Value> = group(name)
                .map(|id| json!({ "id": id }))
                .into_iter()
                .collect();
            let applies = json!({
                "principalTypes": [CALLER],
                "resourceTypes": [CONTRACT],
                "context": { "type": "Record", "attributes": {} },
            });
            (
                (*name).to_owned(),
                json!({ "memberOf": parents, "appliesTo": applies }),
            )
        }))
        .collect();
    let schema = json!({ "": {
        "entityTypes": {
            CALLER: {
                "shape": {
                    "type": "Record",
                    "attributes": { "organization": string, "enrollmentId": string },
                },
                "tags": string,
            },
            CONTRACT: {
                "shape": { "type": "Record", "attributes": { "channel": string } },
            },
        },
        "actions": actions,
    }});
    let says = |error: &dyn std::fmt::Display| error.to_string();
    let schema = Schema::from_json_value(schema).map_err(|error| says(&error))?;

    let resource = uid(CONTRACT, contract.as_str());
    let channel = RestrictedExpression::new_string(channel.to_string());
    let attributes = [("channel".to_owned(), channel)];
    let contract = Entity::new_with_tags(resource.clone(), attributes, [], [])
        .map_err(|error| says(&error))?;
    let mut model = Model {
        schema,
        principal: uid(CALLER, "caller"),
        resource,
        functions: BTreeMap::new(),
        groups: groups.into_iter().map(str::to_owned).collect(),
    };
    for name in names {
        let action = uid(ACTION, name);
        let parents = group(name).map(|id| uid(ACTION, id));
        let entity =
            Entity::new_with_tags(action.clone(), [], parents, []).map_err(|error| says(&error))?;
        let entities = Entities::from_entities([entity, contract.clone()], None)
            .map_err(|error| says(&error))?;
        model
            .functions
            .insert(name.to_owned(), Function { action, entities });
    }
    Ok(model)
}

/// The principal of a call, attributes of the certificate as tags. Values are values, not Cedar
/// text: nothing in them is read as an expression.
///
/// `id` is the same for every caller; who it is, attributes and tags tell. An id in a policy that
/// matches nobody, by a slip, would make a `forbid` that forbids nothing.
///
/// `None` never comes of strings.
pub(super) fn caller(id: &EntityUid, caller: &Caller) -> Option<Entity> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    Entity::new_with_tags(
        id.clone(),
        [
            ("organization".to_owned(), text(caller.msp_id.as_str())),
            ("enrollmentId".to_owned(), text(&caller.enrollment_id)),
        ],
        [],
        caller
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), text(value))),
    )
    .ok()
}

/// Not for the way of a call: Cedar parses `kind` with all of its grammar.
fn uid(kind: &str, id: &str) -> EntityUid {
    let kind: EntityTypeName = kind.parse().expect("the three types are identifiers");
    EntityUid::from_type_name_and_id(kind, EntityId::new(id))
}
