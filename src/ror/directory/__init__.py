"""
What can be done with a directory.

    reading        reading one resource
    draft          getting a resource ready to be kept
    importing/     bringing resources in from files
    policy_change  masking the directory again after a change of access policy
    upgrade        index entries, facts and masks made again from bodies; directories of former releases
    capability     the CapabilityStatement
"""
