//! From a deployment's file and a package's manifest to what the engine runs.

use model::Deployment;
use model::deployment::{PackageDigest, PackageRef, World};
use serde_json::Value as Json;

use super::{DeploymentFile, Installation, bindings, grants};
use crate::document::Path;
use crate::manifest::Manifest;
use crate::problem::{Problem, Problems};

/// The deployment of `file` with the package of `manifest`, whose bytes have this digest.
///
/// # Errors
/// Everything in which file, manifest, package and installation do not fit together.
pub fn resolve(
    file: &DeploymentFile,
    manifest: &Manifest,
    digest: PackageDigest,
    installation: &Installation<'_>,
) -> Result<Deployment, Problems> {
    let mut problems = Vec::new();
    check_package(file, manifest, digest, installation, &mut problems);
    let roles = bindings::bind(file, manifest, installation, &mut problems);
    let units = bindings::units(file, &roles, installation, &mut problems);
    let grants = grants::intersect(file, manifest, &roles, installation, &mut problems);
    let settings = match manifest.settings.fill(&file.document, &file.settings) {
        Ok(settings) => settings,
        Err(more) => {
            problems.extend(more);
            return Err(Problems::all(problems));
        }
    };
    let triggers = manifest.triggers(&settings, &units, installation.site).unwrap_or_else(|more| {
        problems.extend(more.into_iter().map(|problem| blame(file, problem)));
        Vec::new()
    });
    let deployment = Deployment {
        name: file.name.clone(),
        package: PackageRef { id: manifest.id.clone(), version: manifest.version.to_string().into(), digest },
        world: manifest.world,
        key: manifest.key,
        lifecycle: manifest.lifecycle,
        state_version: manifest.state_version,
        completions: manifest.completions.clone(),
        settings: Json::Object(settings).to_string().into(),
        roles,
        triggers,
        histories: manifest.histories.clone(),
        grants,
        metrics: manifest.metrics.clone(),
        limits: manifest.limits,
    };
    Problems::unless_any(deployment, problems)
}

fn check_package(
    file: &DeploymentFile,
    manifest: &Manifest,
    digest: PackageDigest,
    installation: &Installation<'_>,
    problems: &mut Vec<Problem>,
) {
    let at = |key| Path::of(&["deployment", key]);
    match file.digest {
        Some(wanted) if wanted != digest => {
            problems.push(file.problem(&at("digest"), format!("the package has another digest, {digest}")));
        }
        None if !installation.development => {
            let message = format!("missing: required outside development mode; the package has {digest}");
            problems.push(file.problem(&at("digest"), message));
        }
        Some(_) | None => {}
    }
    match manifest.world {
        World::Rule | World::Engagement => {}
        World::Codec | World::Interlock => {
            let message = format!("the package is of world \"{}\": a deployment runs a rule", manifest.world.word());
            problems.push(file.problem(&at("package"), message));
        }
    }
}

/// The manifest was right with its defaults, so that what fails now comes from this deployment.
fn blame(file: &DeploymentFile, problem: Problem) -> Problem {
    let message = format!("with the settings and devices of {}: {}", file.document.file, problem.message);
    Problem { message, ..problem }
}
