// A push service that is not ours, the npm package web-push-testing, on a free port of loopback. Each line of its standard
// input is a command in JSON, each line of its output the answer: {"subscribe": applicationServerKey} gives a subscription with
// its `clientHash`, {"messages": clientHash} what has come for it, {"expire": clientHash} ends it.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const { PushApiModel } = require('web-push-testing/src/PushApiModel.js');
const Server = require('web-push-testing/src/server.js');

const model = new PushApiModel();
const server = new Server(model, 0);
server.setRequestHandlers();
// Its own way to start would listen to the whole network.
const listener = server._app.listen(0, '127.0.0.1', () => {
    model.notifyUrl = `http://127.0.0.1:${listener.address().port}/notify/`;
    serve();
});

async function serve() {
    for await (const line of createInterface({ input: process.stdin })) {
        console.log(JSON.stringify(await answer(JSON.parse(line))));
    }
    listener.close();
}

async function answer({ subscribe, messages, expire }) {
    if (subscribe) {
        return model.subscribe({ userVisibleOnly: 'true', applicationServerKey: subscribe });
    }
    if (expire) {
        model.expireSubscription(expire);
        return {};
    }
    return model.getNotifications({ clientHash: messages });
}
