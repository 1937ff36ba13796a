"""A typed grammar for requests in people's own words."""
