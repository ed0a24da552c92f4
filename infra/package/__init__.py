"""The zip that is deployed: `build` finishes it, `checks` looks into it."""
