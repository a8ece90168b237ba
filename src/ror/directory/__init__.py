"""
The operations on a directory.

    reading        reading one resource
    draft          preparing a resource for the store
    importing/     importing resources from files
    policy_change  recomputing the masks after a change of access policy
    upgrade        rebuilding derived data from bodies; upgrading former releases
    capability     the CapabilityStatement
"""
