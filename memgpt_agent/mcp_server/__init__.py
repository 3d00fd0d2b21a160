"""An agent's memory as an MCP server: tools, blocks as resources, and a prompt, over stdio and streamable HTTP."""
