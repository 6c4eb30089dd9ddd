//! `status`: asks the running agent's local page and prints its tables. Exit code 1 when something needs a look.

use super::{Exit, Failure};
use crate::configuration::Configuration;
use crate::status::Status;
use std::time::Duration;

/// See the module.
pub fn status(configuration: &Configuration, json: bool) -> Result<Exit, Failure> {
    let Some(address) = configuration.agent.status_listen else {
        let hint =
            "agent.status_listen is not set; write status_listen = \"127.0.0.1:9180\" and restart the agent";
        return Err(Failure::of(Exit::Use, anyhow::anyhow!(hint)));
    };
    let url = format!("http://{address}/status");
    let status = super::runtime()?.block_on(ask(&url)).map_err(|e| {
        let what = format!("{url} does not answer; is the agent running? (systemctl status plumbline-agent)");
        Failure::of(Exit::Environment, anyhow::Error::new(e).context(what))
    })?;
    if json {
        let text = serde_json::to_string_pretty(&status).map_err(|e| Failure::of(Exit::Environment, e))?;
        println!("{text}");
    } else {
        print!("{}", status.text());
    }
    Ok(if status.is_well() { Exit::Fine } else { Exit::No })
}

async fn ask(url: &str) -> reqwest::Result<Status> {
    let client =
        reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(5)).build()?;
    client.get(url).send().await?.error_for_status()?.json().await
}
