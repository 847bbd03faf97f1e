//! Whether a window can be opened at all. winit panics where it cannot, so it is checked first.

use super::AppError;

/// Whether a window can be opened: always on Windows and macOS; on Linux when a display can be reached and the X11
/// keyboard library is there. The error says what is missing.
#[cfg(not(target_os = "linux"))]
pub fn display_available() -> Result<(), AppError> {
    Ok(())
}

/// Whether a window can be opened: always on Windows and macOS; on Linux when a display can be reached and the X11
/// keyboard library is there. The error says what is missing.
#[cfg(target_os = "linux")]
pub fn display_available() -> Result<(), AppError> {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    if set("WAYLAND_DISPLAY").is_some_and(|d| linux::wayland_reachable(&d, set("XDG_RUNTIME_DIR").as_deref())) {
        return Ok(());
    }
    let display = set("DISPLAY").ok_or(AppError::NoDisplay)?;
    if !linux::x11_reachable(&display) {
        return Err(AppError::DisplayUnreachable { display });
    }
    if linux::has_library("libxkbcommon-x11.so.0") { Ok(()) } else { Err(AppError::NoKeyboardLibrary) }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{TcpStream, ToSocketAddrs};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    use std::path::Path;
    use std::time::Duration;

    pub(super) fn wayland_reachable(display: &str, runtime: Option<&str>) -> bool {
        let path = runtime.map_or_else(|| Path::new(display).to_path_buf(), |r| Path::new(r).join(display));
        UnixStream::connect(path).is_ok()
    }

    /// "host:display.screen"; without a host it is a socket of this machine.
    pub(super) fn x11_reachable(display: &str) -> bool {
        let Some((host, rest)) = display.rsplit_once(':') else {
            return false;
        };
        let Ok(number) = rest.split('.').next().unwrap_or_default().parse::<u16>() else {
            return false;
        };
        if host.is_empty() || host == "unix" || host.starts_with('/') {
            let path = format!("/tmp/.X11-unix/X{number}");
            let hidden = SocketAddr::from_abstract_name(&path).and_then(|a| UnixStream::connect_addr(&a));
            return UnixStream::connect(&path).is_ok() || hidden.is_ok();
        }
        let addresses = (host, 6000u16.saturating_add(number)).to_socket_addrs();
        let wait = Duration::from_secs(2);
        addresses.is_ok_and(|mut all| all.any(|a| TcpStream::connect_timeout(&a, wait).is_ok()))
    }

    /// Looks where the loader looks; where that cannot be found out, the library is taken to be there.
    pub(super) fn has_library(name: &str) -> bool {
        let usual = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"];
        let triple = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let given = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
        let mut folders = usual.into_iter().chain([triple.as_str()]).chain(given.split(':').filter(|f| !f.is_empty()));
        if folders.any(|f| Path::new(f).join(name).exists()) {
            return true;
        }
        match std::process::Command::new("/sbin/ldconfig").arg("-p").output() {
            Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).contains(name),
            _ => true,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn nobody_listens_there() {
            assert!(!x11_reachable(":4711"));
            assert!(!x11_reachable("nonsense"));
            assert!(!wayland_reachable("wayland-4711", Some("/nowhere")));
            assert!(!has_library("libholoscope-is-not-a-library.so.0"));
            assert!(has_library("libc.so.6"));
        }
    }
}
