"""The messenger to partners: it posts what happens to passes to the addresses they name.

It owns webhook endpoints, the events that can be posted, their deliveries and attempts, and the
history of contents built. It listens to EventsLogged (triggers), ContentBuilt (generator),
PassesDeleted (triggers) and TemplateDeleted (gateway), and announces nothing.
"""
