#!/bin/sh
# Makes sure that tests can start a RabbitMQ node of their own.
set -eu

if [ -n "${TEST_AMQP_URL:-}" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then
    exit 0
fi
"$(dirname "$0")/install_debian_package.sh" rabbitmq-server "The test suite, unless TEST_AMQP_URL names a broker,"
