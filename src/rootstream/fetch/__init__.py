"""Downloads by hash: transports, mirrors, the shared store; and what may reach a Git process."""
