"""The MCP server: reasoning as a tool of any host that speaks the Model Context Protocol.

Needs the extra `mcp`, which the modules of this package import at their top; nothing outside imports them before
`reflectree.rlm_ops.extras.require` has said so.
"""
