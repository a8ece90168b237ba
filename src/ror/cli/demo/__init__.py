"""
`ror demo`: a fictitious directory on this machine, with a client for each access profile.

    command      the commands: make and serve the directory, show its clients
    clients      the clients, their certificates and secret, and how each calls
    ports        the ports that the demonstration listens on
    directory    makes the directory, unless the folder has it already
    second_server  the server that issues tokens over TLS
"""
