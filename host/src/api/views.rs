//! What may be looked at: twins, deployments, readiness, the doctor's facts.

use delivery::sinks::mqtt;
use engine::LastKnown;
use host::outward::twin;
use host::system_clock::{Trust, boot};
use ingest::status::State;
use model::{Device, Quality, limits};
use serde_json::{Map, Value as Json, json};
use server::Views;
use server::state::{Answer, Check, Devices, Error, Page, Readiness};
use store::{Health, Reader};

use super::trouble::{held, not_understood};
use super::{Doors, ask};

/// A session may be lost once for many reasons; twice is how the broker is set up.
const SESSIONS_LOST: u64 = 2;

impl Views for Doors {
    fn readiness(&self) -> Readiness {
        let store = match self.writer.health().get() {
            Health::Healthy => Check { name: "store".to_owned(), ok: true, detail: None },
            Health::Failing { reason, .. } => {
                Check { name: "store".to_owned(), ok: false, detail: Some(reason.to_string()) }
            }
        };
        let sources = self.statuses.iter().map(|(name, status)| source(name, status.state()));
        let links = self.links.iter().map(|(name, status)| link(name, &status.borrow()));
        let standing = self.clock.standing();
        let clock = Check {
            name: "clock".to_owned(),
            ok: standing.trust == Trust::Fine && !standing.held,
            detail: Some(standing.to_string()),
        };
        let outbox = outbox(self.sending.counts().waiting);
        // A broker that is away does not stop what others bring, nor does a wall clock that is not followed or an outbox
        // that fills; a store that cannot write and a clock that holds timers stop everything.
        let ready = store.ok && !standing.held;
        let checks = [store].into_iter().chain(sources).chain(links).chain([clock, outbox]).collect();
        Readiness { ready, checks }
    }

    fn devices(&self, page: Page) -> Answer<'_, Devices> {
        Box::pin(async move {
            let all = self.live.devices();
            let mut devices: Vec<_> = all.iter().cloned().collect();
            devices.sort_by(|a, b| a.id.cmp(&b.id));
            let after = page.after.unwrap_or_default();
            let mut rest = devices.into_iter().filter(move |device| after.is_empty() || *device.id > *after);
            let reader = self.reader.clone();
            let shown: Vec<_> = rest.by_ref().take(page.limit).collect();
            let next = rest.next().and_then(|_| shown.last().map(|device| device.id.to_string()));
            let devices = ask(move || {
                let held = held(&reader)?;
                shown.iter().map(|device| show(&reader, device, &held)).collect()
            })
            .await?;
            Ok(Devices { devices, next })
        })
    }

    fn device(&self, id: String) -> Answer<'_, Json> {
        Box::pin(async move {
            let devices = self.live.devices();
            let device = devices.named(&id).cloned().ok_or_else(|| Error::NotFound(no_device(&id, &devices)))?;
            let reader = self.reader.clone();
            ask(move || show(&reader, &device, &held(&reader)?)).await
        })
    }

    fn deployments(&self) -> Answer<'_, Vec<Json>> {
        Box::pin(async move {
            let mut deployments = self.live.deployments();
            deployments.sort_by(|a, b| a.name.cmp(&b.name));
            let devices = self.live.devices();
            let reader = self.reader.clone();
            let held = ask(move || held(&reader)).await?;
            let of = |name: &str| held.iter().filter(|one| one["deployment"] == name).cloned().collect::<Vec<_>>();
            let member = |number: &model::DeviceNo| devices.get(*number).map(|device| device.id.to_string());
            let role = |role: &model::deployment::Role| {
                (role.name.to_string(), role.members.iter().filter_map(member).collect::<Json>())
            };
            let shown = deployments.iter().map(|deployment| {
                json!({
                    "name": &*deployment.name,
                    "held": of(&deployment.name),
                    "hidden-state": self.live.hidden_state(Some(&*deployment.name)),
                    "rule": deployment.package.to_string(),
                    "digest": deployment.package.digest.to_string(),
                    "world": deployment.world.word(),
                    "roles": deployment.roles.iter().map(role).collect::<Map<_, _>>(),
                    "triggers": deployment.triggers.iter().map(|t| json!({"name": &*t.name, "kind": t.kind.word()})).collect::<Json>(),
                    "settings": serde_json::from_str::<Json>(&deployment.settings).unwrap_or(Json::Null),
                })
            });
            Ok(shown.collect())
        })
    }

    fn doctor(&self) -> Answer<'_, Json> {
        Box::pin(async move {
            let reader = self.reader.clone();
            let devices = self.live.devices();
            let (stat, held, not_understood) =
                ask(move || Ok((reader.stat()?, held(&reader)?, not_understood(&reader, &devices)?))).await?;
            let forgetful = self.statuses.iter().filter_map(|(name, status)| forgetful(name, status));
            let sources: Vec<Json> = self
                .statuses
                .iter()
                .map(|(name, status)| {
                    let (state, counts) = (status.state(), status.counts());
                    json!({
                        "name": &**name,
                        "connected": state.connected,
                        "error": state.last_error,
                        "refused-filters": state.refused_filters,
                        "received": counts.received,
                        "acknowledged": counts.acknowledged,
                        "redelivered": counts.redelivered,
                        "sessions-lost": counts.sessions_lost,
                        "qos0": counts.qos0,
                        "rejected": counts.rejected,
                        "nothing-found": counts.nothing_found.values().sum::<u64>(),
                    })
                })
                .collect();
            let links = self.links.iter().map(|(name, status)| {
                let status = status.borrow();
                json!({"name": &**name, "connected": status.connected, "error": status.error})
            });
            Ok(json!({
                "version": env!("CARGO_PKG_VERSION"),
                "contract": sandbox::CONTRACT,
                "zones": engine::calendar::ZONES,
                "uptime-seconds": (boot() - self.began) / 1_000_000,
                "deployments": self.live.deployments().len(),
                "devices": self.live.devices().len(),
                "sources": sources,
                "sinks": links.collect::<Json>(),
                "findings": forgetful.chain(not_understood).collect::<Vec<_>>(),
                "held": held,
                "hidden-state": self.live.hidden_state(None),
                "store": serde_json::to_value(&stat).map_err(|error| Error::Failed(error.to_string()))?,
                "limits": limits(&self.retention, self.reader.partitions()),
            }))
        })
    }
}

/// One that is connected and hears only a part of what it should does not do its work either.
fn source(name: &str, state: State) -> Check {
    let refused = !state.refused_filters.is_empty();
    let detail = match state.connected {
        false => state.last_error,
        true if refused => Some(format!("the broker refuses to let us hear {}", state.refused_filters.join(", "))),
        true => None,
    };
    Check { name: format!("source {name}"), ok: state.connected && !refused, detail }
}

/// The connection that publishes: another client than the one that hears, which a broker may refuse alone.
fn link(sink: &str, status: &mqtt::Status) -> Check {
    let detail = status.error.clone().filter(|_| !status.connected);
    Check { name: format!("sink {sink}"), ok: status.connected, detail }
}

/// Past its limit the oldest effects expire: said before that, while something can be done.
fn outbox(waiting: u64) -> Check {
    let limit = limits::OUTBOX as u64;
    let detail = (waiting > 0).then(|| format!("{waiting} of at most {limit} effects wait for their sinks"));
    Check { name: "outbox".to_owned(), ok: waiting < limit / 10 * 9, detail }
}

/// A broker that forgot our session more than once keeps none over its own restarts: what it took meanwhile is lost.
fn forgetful(name: &str, status: &ingest::status::Status) -> Option<Check> {
    let lost = status.counts().sessions_lost;
    let detail = format!(
        "the broker has forgotten our session {lost} times: what it took meanwhile is lost. mosquitto needs \
         `persistence true` and a `persistence_location` that its own user can write"
    );
    (lost >= SESSIONS_LOST).then(|| Check { name: format!("session {name}"), ok: false, detail: Some(detail) })
}

/// That there is none of this id, and which one may have been meant.
pub(crate) fn no_device(id: &str, devices: &model::device::Devices) -> String {
    let near = config::nearest(id, devices.iter().map(|device| &*device.id));
    let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    format!("there is no device `{id}`{hint}")
}

/// One device with its twin, as the store has it.
pub(crate) fn show(reader: &Reader, device: &Device, held: &[Json]) -> Result<Json, store::Error> {
    let twin = twin(reader, device.number)?;
    let mut shown = describe(device);
    let own: Vec<&Json> = held.iter().filter(|one| one["key"] == *device.id).collect();
    if !own.is_empty() {
        shown["held"] = json!(own);
    }
    if let Some(twin) = twin {
        shown["available"] = json!(twin.available);
        shown["newest"] = json!(twin.newest.map(|at| at.to_string()));
        let values = twin.values().map(|held| {
            let mut value = json!({
                "value": held.value.as_ref().map(model::value::plain::to_json),
                "since": held.value.is_some().then(|| held.since.to_string()),
                "reported": held.was_reported().then(|| held.reported.to_string()),
            });
            if let Some(unit) = &held.unit {
                value["unit"] = json!(&**unit);
            }
            // The value is the last good one, but what was reported since is not to be trusted.
            if held.quality != Quality::Good {
                value["quality"] = json!(held.quality);
            }
            if let Some(desired) = &held.desired {
                value["desired"] = model::value::plain::to_json(desired);
            }
            (held.capability.name().to_owned(), value)
        });
        shown["values"] = Json::Object(values.collect());
        let readings = device.source.iter().flat_map(|source| &source.readings);
        let never = readings.filter(|map| !twin.get(map.capability).is_some_and(LastKnown::was_reported));
        let never: Vec<&str> = never.map(|map| map.capability.name()).collect();
        if twin.newest.is_some() && !never.is_empty() {
            shown["never-reported"] = json!(never);
        }
    }
    Ok(shown)
}

/// One device as it is declared.
pub(crate) fn describe(device: &Device) -> Json {
    json!({
        "id": &*device.id,
        "kind": &*device.kind,
        "site": &*device.site,
        "actions": device.commands.keys().map(|action| &**action).collect::<Vec<_>>(),
    })
}

/// Every limit by its name, with the value in force, unit and reason.
pub(crate) fn limits(set: &config::Retention, partitions: u16) -> Json {
    let shown = |limit: limits::Limit| {
        let value = match &*limit.name {
            "duplicate-age" => set.duplicates_age.to_string(),
            "duplicates" => set.duplicates_count.to_string(),
            "partitions" => partitions.to_string(),
            _ => limit.value,
        };
        (limit.name, json!({"value": value, "unit": limit.unit, "reason": limit.reason}))
    };
    Json::Object(limits::all().into_iter().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_the_operator_set_is_shown_as_set() {
        let host = config::Host::parse("[retention]\nduplicates = { age = \"2h\", count = 7 }", "f", "".as_ref());
        let shown = limits(&host.expect("a host").retention, 3);
        assert_eq!((&shown["duplicate-age"]["value"], &shown["duplicates"]["value"]), (&json!("2h"), &json!("7")));
        assert_eq!(shown["partitions"]["value"], "3");
        assert_eq!(shown["payload-bytes"]["value"], "262144");
    }

    #[test]
    fn a_source_that_may_not_hear_all_of_its_filters_fails_and_names_them() {
        let state = State { connected: true, ..State::default() };
        assert_eq!(source("yard", state.clone()), Check { name: "source yard".to_owned(), ok: true, detail: None });
        let refused = State { refused_filters: vec!["a/#".to_owned(), "b".to_owned()], ..state };
        let check = source("yard", refused.clone());
        assert_eq!((check.ok, check.detail.as_deref()), (false, Some("the broker refuses to let us hear a/#, b")));
        let away = State { connected: false, last_error: Some("gone".to_owned()), ..refused };
        assert_eq!(source("yard", away).detail.as_deref(), Some("gone"), "what concerns all of it comes first");
    }

    #[test]
    fn an_outbox_alarms_when_nine_tenths_of_it_are_full() {
        let limit = limits::OUTBOX as u64;
        assert!(outbox(0).ok && outbox(limit / 10 * 9 - 1).ok);
        assert!(!outbox(limit / 10 * 9).ok && !outbox(limit).ok);
        assert_eq!(outbox(7).detail, Some("7 of at most 65536 effects wait for their sinks".to_owned()));
    }
}
