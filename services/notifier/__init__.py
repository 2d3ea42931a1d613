"""The messenger: it tells devices that passes are new, and partners what happens to passes.

It owns devices and their registrations, update tags, what is to be pushed and what was seen of it;
the certificates that push; webhook endpoints, the event feed, deliveries and attempts; and the
history of contents built. It listens to EventsLogged and PassesDeleted (triggers), ContentBuilt
(generator), MembersChanged (member), TemplateSaved, TemplateDeleted and IdentitySaved (gateway),
and announces DevicesActed.
"""
