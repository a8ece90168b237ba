"""
`ror demo`: a fictitious directory on this machine, with a client for each access profile.

    command  the command: make the directory, show what to try, serve
    clients  the clients, their credentials, and the TLS server that they get tokens from
"""
