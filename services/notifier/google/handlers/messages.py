"""Messages to all who have passes of a template: one for each class."""

from services.notifier.google.domain.lanes import CAMPAIGN
from services.notifier.google.handlers.issuers import StartSending
from services.notifier.google.repository import DocumentRepository, JobRepository
from shared.contracts.notifier import GoogleTold, TellGoogle
from shared.database import UnitOfWork


async def tell_google(
    commands: list[TellGoogle], work: UnitOfWork, *, start_sending: StartSending
) -> list[GoogleTold]:
    """Have classes tell their holders something, as campaigns."""
    documents, jobs = DocumentRepository(work.connection), JobRepository(work.connection)
    told = {
        command.command_id: await documents.tell(command)
        for command in sorted(commands, key=lambda one: one.template_id)  # as rows are locked
    }
    classes = {class_id for ids in told.values() for class_id in ids}
    await jobs.ask(dict.fromkeys(sorted(classes), CAMPAIGN))
    work.after_commit(start_sending)
    return [GoogleTold(classes=len(told[command.command_id])) for command in commands]
