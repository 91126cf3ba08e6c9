//! The servers that the tests of replicas start for themselves: PostgreSQL and NATS, from Debian's packages.

use raceguard_testbed::{nats, postgres};

use crate::failure::Failure;
use crate::report_line::step;
use crate::system_package;

/// Makes sure that both are there: installs them where that is possible without asking, or names the command.
pub(crate) fn ensure() -> Result<(), Failure> {
    let needed = [("postgresql", postgres::programs().is_some()), ("nats-server", nats::program().is_some())];
    for (package, _) in needed.into_iter().filter(|(_, is_there)| !is_there) {
        if system_package::may_install() {
            step(&format!("installing {package} with apt-get, for the tests of replicas"));
            system_package::install(package)?;
        } else {
            return Err(Failure::environment(
                format!("there is no {package} on this machine, which the tests of replicas need"),
                format!("run `sudo apt-get install -y {package}` (or your system's equivalent)"),
            ));
        }
    }
    Ok(())
}
