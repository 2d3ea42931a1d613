"""The messenger to partners: it posts what happens to passes to the addresses they name.

It owns webhook endpoints, the event feed, deliveries and attempts, and the history of contents
built. It listens to EventsLogged and PassesDeleted (triggers), ContentBuilt (generator),
MembersChanged (member), TemplateSaved and TemplateDeleted (gateway), and announces nothing.
"""
