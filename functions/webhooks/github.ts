import { appWebhook, connectionWebhook } from '../../lib/http/webhook.ts';
import { github } from '../../providers/github.ts';

/** Hooks of repositories: https://docs.github.com/en/webhooks/types-of-webhooks#repository-webhooks */
export const githubWebhook = connectionWebhook(github.id);

/** The GitHub App's own: https://docs.github.com/en/webhooks/types-of-webhooks#github-app-webhooks */
export const githubAppWebhook = appWebhook(github.id);
