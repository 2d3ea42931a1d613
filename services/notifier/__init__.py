"""The messenger: it tells devices that passes are new, and partners what happens to passes.

It owns devices and their registrations, update tags, what is to be pushed and what was seen of it;
webhook endpoints, the events that can be posted, their deliveries and attempts; and the history of
contents built. It listens to EventsLogged (triggers), ContentBuilt (generator), PassesDeleted
(triggers) and TemplateDeleted (gateway), and announces DevicesActed.
"""
