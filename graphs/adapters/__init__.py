"""Where reflectree meets other software: chat models, tools, middleware, endpoints and protocols over one core.

The core is a conversation in and a message out: `wants`, `conversation` and `replying`. What stands on it knows of one
foreign interface each.
"""
