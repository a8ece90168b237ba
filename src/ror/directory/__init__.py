"""
What can be done with a directory.

    reading        reading one resource
    draft          getting a resource ready to be kept
    importing/     bringing resources in from files
    policy_change  masking the directory again after a change of access policy
    capability     the CapabilityStatement
"""
