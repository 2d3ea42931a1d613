// Reads {secret, headers, body} as JSON, a line each; prints a line each: true if it is genuine.
import { createInterface } from "node:readline";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  let genuine = true;
  try {
    new Webhook(secret).verify(body, headers);
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    genuine = false;
  }
  console.log(genuine);
}
