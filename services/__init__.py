"""The five services; none imports another, they talk by the messages in shared/contracts."""
