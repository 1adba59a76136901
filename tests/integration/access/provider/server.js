// A real OpenID Connect provider on a loopback port, for tests: panva's oidc-provider with everything in memory.
// node server.js JSON: {clients, accounts: {subject: claims}, scopes: of the API}; says its issuer, ends with its input.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import Provider from 'oidc-provider';

const { clients, accounts, scopes } = JSON.parse(process.argv[2]);
const names = [...new Set(Object.values(accounts).flatMap(Object.keys))];

const newKey = (kid) => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  kid,
  alg: 'RS256',
  use: 'sig',
});

const configuration = (keys) => ({
  clients,
  jwks: { keys },
  acrValues: ['eidas1', 'eidas2'],
  claims: { openid: ['sub'], profile: names },
  cookies: { keys: ['for tests'] },
  pkce: { required: () => true },
  findAccount: (_, sub) => accounts[sub] && { accountId: sub, claims: () => ({ sub, ...accounts[sub] }) },
  extraTokenClaims: (_, token) => accounts[token.accountId] ?? { preferred_username: token.clientId },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    jwtUserinfo: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, audience) => ({
        audience,
        scope: scopes,
        accessTokenTTL: 600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
});

const server = createServer(async (request, response) => {
  const path = new URL(request.url, issuer).pathname;
  if (path.startsWith('/interaction/') && request.method === 'POST') {
    await enter(request, response);
  } else if (path.startsWith('/keys/')) {
    rotate(path.slice('/keys/'.length).split(','));
    response.end();
  } else {
    provider.callback()(request, response);
  }
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const made = new Map();
let provider;

// The keys of these names from now on; it signs with the first.
function rotate(kids) {
  for (const kid of kids) if (!made.has(kid)) made.set(kid, newKey(kid));
  provider = new Provider(issuer, configuration(kids.map((kid) => made.get(kid))));
}

// Somebody says who he is and how strongly it was checked, and agrees to everything that is asked for.
async function enter(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const said = new URLSearchParams(await text(request));
  const accountId = said.get('account');
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  if (params.resource) grant.addResourceScope(params.resource, params.scope);
  const login = { accountId, acr: said.get('acr') };
  await provider.interactionFinished(request, response, { login, consent: { grantId: await grant.save() } });
}

rotate(['first']);
console.log(issuer);
process.stdin.on('end', () => process.exit()).resume();
