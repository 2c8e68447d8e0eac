"""The REST API of Azure DevOps, read only.

client      one guarded JSON call: origins, time-outs, tries, pauses
body        reading and decoding an answer within limits
pacing      Retry-After per user, and how many retries a process may make
refusals    what a status and body mean
names paging wiql links times      pure rules
organizations projects work_items builds repositories      one resource each: (client, caller, …) -> Page
"""
