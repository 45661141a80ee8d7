"""Mutations: what happens when a scope is forgotten."""
