"""What every route shares: views, the guard against other sites, the request log, the OpenAPI document."""
