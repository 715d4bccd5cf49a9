//! `pointsman device`: what is known of devices, and an operator's own command to one.

mod table;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde_json::{Map, Value as Json};
use server::client::{Client, segment};
use server::state::{Devices, Manual};

use super::reach::{self, Reach};
use super::{Usage, output};
use crate::api;

/// Shows devices and commands them.
#[derive(Debug, clap::Args)]
pub(crate) struct Device {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Send(Send),
}

/// Lists all devices with their last values.
#[derive(Debug, clap::Args)]
struct List {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: super::ConfigArgument,
}

/// Shows one device: values, since when, what it can be told.
#[derive(Debug, clap::Args)]
struct Show {
    /// The device's id.
    id: String,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: super::ConfigArgument,
}

/// Sends a manual command; it is journalled and goes through the running host.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman device send lamp on\n  pointsman device send radiator set value=19.5")]
struct Send {
    /// The device's id.
    id: String,
    /// One of its actions.
    action: String,
    /// Arguments of the action: a JSON value, or else a text.
    #[arg(value_name = "NAME=VALUE", value_parser = argument)]
    arguments: Vec<(String, Json)>,
    #[command(flatten)]
    config: super::ConfigArgument,
}

impl Device {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::List(list) => reach::block_on(list.run()),
            Command::Show(show) => reach::block_on(show.run()),
            Command::Send(send) => reach::block_on(send.run()),
        }
    }
}

impl List {
    async fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        let devices = match Reach::of(&host).await? {
            Reach::Running(client) => ask_all(&client).await?,
            Reach::Stopped => from_store(&host)?,
        };
        if self.json {
            output::print(Json::Array(devices))
        } else {
            output::print(table::list(&devices))
        }
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        let device: Json = match Reach::of(&host).await? {
            Reach::Running(client) => client.get(&format!("/v1/devices/{}", segment(&self.id))).await?,
            Reach::Stopped => {
                let reader = stored(&host)?;
                let devices = reach::devices(&host, reader.as_ref())?;
                let device = devices.named(&self.id).with_context(|| api::no_device(&self.id, &devices))?;
                match &reader {
                    Some(reader) => api::show(reader, device, &api::held(reader)?)?,
                    None => api::describe(device),
                }
            }
        };
        if self.json {
            output::print(device)
        } else {
            output::print(table::show(&device))
        }
        Ok(())
    }
}

impl Send {
    async fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        let Reach::Running(client) = Reach::of(&host).await? else {
            return Err(
                Usage("no host is running: a command needs one, start it with `pointsman run`".to_owned()).into()
            );
        };
        let arguments: Map<String, Json> = self.arguments.into_iter().collect();
        let command = Manual { device: self.id, action: self.action, arguments };
        let answer: Json = client.post("/v1/commands", &command).await?;
        output::say("journalled");
        output::print(answer["id"].as_str().unwrap_or_default());
        Ok(())
    }
}

/// Every page of devices that the host has.
async fn ask_all(client: &Client) -> Result<Vec<Json>> {
    let mut all = Vec::new();
    let mut path = "/v1/devices".to_owned();
    loop {
        let page: Devices = client.get(&path).await?;
        all.extend(page.devices);
        match page.next {
            Some(after) => path = format!("/v1/devices?after={}", segment(&after)),
            None => return Ok(all),
        }
    }
}

/// The store that a host left behind; none where it never ran.
fn stored(host: &config::Host) -> Result<Option<store::Reader>> {
    match reach::reader(host) {
        Ok(reader) => Ok(Some(reader)),
        Err(error) if matches!(error.downcast_ref(), Some(store::OpenError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Devices in order of their ids; without values where the host never ran.
fn from_store(host: &config::Host) -> Result<Vec<Json>> {
    let reader = stored(host)?;
    let devices = reach::devices(host, reader.as_ref())?;
    let held = reader.as_ref().map(api::held).transpose()?.unwrap_or_default();
    let shown = devices.iter().map(|device| match &reader {
        Some(reader) => api::show(reader, device, &held),
        None => Ok(api::describe(device)),
    });
    let mut shown = shown.collect::<Result<Vec<_>, _>>()?;
    shown.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
    Ok(shown)
}

fn argument(text: &str) -> Result<(String, Json), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if name.is_empty() {
        return Err("expected a name before `=`".to_owned());
    }
    // What is no JSON is a text: nobody quotes on a command line.
    let value = serde_json::from_str(value).unwrap_or_else(|_| Json::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_argument_is_json_or_else_a_text() {
        assert_eq!(argument("value=19.5"), Ok(("value".to_owned(), json!(19.5))));
        assert_eq!(argument("mode=eco"), Ok(("mode".to_owned(), json!("eco"))));
        assert_eq!(argument("formula=a=b"), Ok(("formula".to_owned(), json!("a=b"))));
        assert!(argument("value").is_err() && argument("=1").is_err());
    }
}
