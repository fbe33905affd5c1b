"""Settings that belong together, as TOML; `striate train DATA --recipe NAME`."""
