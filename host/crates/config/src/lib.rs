//! Files in users' hands, resolved: `rule.toml`, `pointsman.toml`, templates and deployments.
//!
//! A file is read in three steps. It becomes plain values with the line of each key; these are held against a table
//! of keys, which also fills in defaults and is what the reference is generated from; what passes becomes a raw type
//! and then a resolved one. Whatever is wrong is a [`Problem`] with its file, line, path and the nearest valid name.

mod deployment;
mod document;
mod host;
mod manifest;
mod problem;
mod reference;
mod schema;

pub use deployment::{Binding, DeploymentFile, Installation, resolve};
pub use host::{
    Credentials, DevicePattern, Host, Instance, MqttVersion, Placement, Retention, Scenario, Secret, Server, Sink,
    SinkKind, Site, Url, problem_at,
};
pub use manifest::{Manifest, NotificationRequest, Requests, RoleNeed, Settings};
pub use problem::{Problem, Problems, nearest};
pub use reference::reference;
pub use semver::Version;
