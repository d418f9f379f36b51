"""Audits of one generated set by several sites become one answer; no image leaves a site."""
