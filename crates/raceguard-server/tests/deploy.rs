//! The manifests of `deploy/`: each is what the Kubernetes API says that its kind is, and has what keeps a server safe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(deploy().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The manifest as its type, if it has nothing that the type does not know.
fn checked<T: DeserializeOwned + Serialize>(file: &str, manifest: &Value) {
    let typed: T = serde_json::from_value(manifest.clone()).unwrap_or_else(|error| panic!("{file}: {error}"));
    let known = serde_json::to_value(typed).expect("it is JSON");
    no_more_than(file, manifest, &known);
}

/// Whether all that is written is also in what was understood.
fn no_more_than(place: &str, written: &Value, known: &Value) {
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => {
            for (name, value) in written {
                let place = format!("{place}: {name}");
                no_more_than(
                    &place,
                    value,
                    known.get(name).unwrap_or_else(|| panic!("{place} is not known")),
                );
            }
        }
        (Value::Array(written), Value::Array(known)) => {
            assert_eq!(written.len(), known.len(), "{place}");
            written.iter().zip(known).for_each(|(written, known)| no_more_than(place, written, known));
        }
        _ => assert_eq!(written, known, "{place}"),
    }
}

#[test]
fn every_manifest_is_what_its_kind_is() {
    let mut kinds = BTreeMap::new();
    for folder in ["base", "monitoring"] {
        let listed = read(&format!("{folder}/kustomization.yaml"));
        for resource in listed["resources"].as_array().expect("it lists resources") {
            let name = resource.as_str().expect("it is a name");
            if name.starts_with("..") {
                continue;
            }
            let file = format!("{folder}/{name}");
            let manifest = read(&file);
            match manifest["kind"].as_str().expect("it has a kind") {
                "Namespace" => checked::<Namespace>(&file, &manifest),
                "ServiceAccount" => checked::<ServiceAccount>(&file, &manifest),
                "Deployment" => checked::<Deployment>(&file, &manifest),
                "Service" => checked::<Service>(&file, &manifest),
                "PodDisruptionBudget" => checked::<PodDisruptionBudget>(&file, &manifest),
                "NetworkPolicy" => checked::<NetworkPolicy>(&file, &manifest),
                // Not of Kubernetes itself: what it needs is looked at below.
                "ServiceMonitor" => {}
                kind => panic!("{file}: nothing checks a {kind}"),
            }
            kinds.insert(manifest["kind"].to_string(), file);
        }
        let files = std::fs::read_dir(deploy().join(folder)).expect("it is there").count();
        let listed = listed["resources"].as_array().map_or(0, |list| {
            list.iter().filter(|name| !name.as_str().is_some_and(|name| name.starts_with(".."))).count()
        });
        assert_eq!(files, listed + 1, "every file of {folder} is listed");
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    let misspelt =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}});
    let refused = std::panic::catch_unwind(|| checked::<Service>("misspelt", &misspelt));
    assert!(refused.is_err(), "a field that is not known is told");
}

#[test]
fn the_server_may_nothing_that_it_does_not_need() {
    let deployment = read("base/deployment.yaml");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    let security = &container["securityContext"];
    assert_eq!(
        (&security["readOnlyRootFilesystem"], &security["allowPrivilegeEscalation"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    let resources = &container["resources"];
    assert_eq!(resources["requests"]["memory"], resources["limits"]["memory"]);
    assert!(resources["limits"]["memory"].is_string());
}

#[test]
fn what_refers_to_each_other_fits() {
    let deployment = read("base/deployment.yaml");
    let pod = &deployment["spec"]["template"];
    let labels = &pod["metadata"]["labels"];
    let container = &pod["spec"]["containers"][0];
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&read("base/service.yaml")["spec"]["selector"], labels);
    assert_eq!(&read("base/poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&read("base/networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"], labels);
    let monitor = read("monitoring/servicemonitor.yaml");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], read("base/service.yaml")["metadata"]["labels"]);
    assert_eq!(
        monitor["spec"]["endpoints"][0]["port"],
        read("base/service.yaml")["spec"]["ports"][0]["name"]
    );
    let port = &container["ports"][0];
    assert_eq!(
        read("base/networkpolicy.yaml")["spec"]["ingress"][0]["ports"][0]["port"],
        port["containerPort"]
    );
    for (probe, path) in
        [("livenessProbe", "/healthz"), ("startupProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(
            (&container[probe]["httpGet"]["path"], &container[probe]["httpGet"]["port"]),
            (&json!(path), &port["name"])
        );
    }
    let replicas = deployment["spec"]["replicas"].as_u64().expect("it says how many");
    let kept =
        read("base/poddisruptionbudget.yaml")["spec"]["minAvailable"].as_u64().expect("it says how many");
    assert!(kept < replicas, "one may be away");
    // The server takes up to 20 seconds each for requests and tasks.
    assert!(pod["spec"]["terminationGracePeriodSeconds"].as_u64() >= Some(45));
}

/// The instructions of the Dockerfile, word by word, continued lines joined.
fn dockerfile() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(deploy().join("Dockerfile")).expect("it is there");
    let text = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let text = text.replace("\\\n", " ");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    text.lines().map(words).filter(|words| !words.is_empty()).collect()
}

#[test]
fn the_image_holds_what_its_build_makes_and_what_the_manifests_expect() {
    let lines = dockerfile();
    let last = lines.iter().rposition(|line| line[0] == "FROM").expect("it has a base");
    let (build, image) = lines.split_at(last);
    // Alpine's target is linked statically against musl, so an empty image runs what it makes.
    assert!(build[0][1].starts_with("rust:") && build[0][1].ends_with("-alpine"), "{:?}", build[0]);
    assert_eq!(image[0], ["FROM", "scratch"]);
    let commands: String = build.iter().map(|line| line.join(" ") + "\n").collect();
    for copy in image.iter().filter(|line| line[0] == "COPY") {
        assert!(copy.contains(&"--from=build".to_owned()), "{copy:?}");
        let source = &copy[copy.len() - 2];
        let is_made = commands.contains(&format!(" {source}\n"))
            || (source.starts_with("/etc/ssl/") && commands.contains(" ca-certificates\n"));
        assert!(is_made, "no command makes {source}");
    }
    let line = |name: &str| image.iter().find(|line| line[0] == name).unwrap_or_else(|| panic!("no {name}"));
    let container = read("base/deployment.yaml")["spec"]["template"]["spec"].clone();
    let port = container["containers"][0]["ports"][0]["containerPort"].to_string();
    assert_eq!(line("EXPOSE").join(" "), format!("EXPOSE {port}"));
    let user = container["securityContext"]["runAsUser"].to_string();
    assert_eq!(line("USER")[1], format!("{user}:{user}"));
    // The folder that the server keeps its data in is that user's, on an image without root.
    let command = line("CMD").join(" ");
    let command: Vec<String> = serde_json::from_str(&command["CMD ".len()..]).expect("it is a list");
    let data = command.iter().skip_while(|word| *word != "--data").nth(1).expect("it keeps data");
    assert_eq!(line("VOLUME").join(" "), format!("VOLUME {data}"));
    let owned = format!("--chown={user}:{user}");
    assert!(image.iter().any(|line| line.contains(&owned) && line.last() == Some(data)), "{image:?}");
    assert!(command.contains(&format!("0.0.0.0:{port}")), "{command:?}");
}

#[test]
fn the_image_is_built_of_everything_that_the_workspace_needs() {
    let root = deploy().join("..");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("it is there");
    let manifest = read("Cargo.toml");
    let oldest =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("it says which");
    assert_eq!(dockerfile()[0][1], format!("rust:{}-alpine", oldest.trim_matches('"')));
    // What is left out of the copy is nothing that git knows, so the build sees what a checkout has.
    for pattern in read(".dockerignore").lines() {
        let name = pattern.trim_start_matches("**/");
        assert!(!root.join(name).join("Cargo.toml").exists(), "{pattern} leaves out a package");
        let ignored = read(".gitignore").lines().any(|line| line.trim_matches('/') == name);
        assert!(ignored || name == ".git", "{pattern} leaves out what git keeps");
    }
}
