"""What the programming interfaces of GitHub and GitLab can do beside git: register webhooks, tell when a token ends."""
