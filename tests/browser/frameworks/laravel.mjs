// A site on Debian's Laravel, which has no site to begin with: what `laravel new` makes, as far as this one needs it. Its users are
// whom their address says.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { missing } from './installed.mjs';

const VERSION = 'Laravel 8.83 and PHP 8.2';
const NEEDED = ['Illuminate/autoload.php', 'GuzzleHttp/autoload.php'];
const MIDDLEWARE = [
  'Illuminate\\Cookie\\Middleware\\EncryptCookies',
  'Illuminate\\Session\\Middleware\\StartSession',
  'Illuminate\\View\\Middleware\\ShareErrorsFromSession',
  'Illuminate\\Foundation\\Http\\Middleware\\VerifyCsrfToken',
  'Illuminate\\Routing\\Middleware\\SubstituteBindings',
];
const PROVIDERS = [
  'Auth\\AuthServiceProvider',
  'Bus\\BusServiceProvider',
  'Cache\\CacheServiceProvider',
  'Cookie\\CookieServiceProvider',
  'Database\\DatabaseServiceProvider',
  'Database\\MigrationServiceProvider',
  'Encryption\\EncryptionServiceProvider',
  'Filesystem\\FilesystemServiceProvider',
  'Foundation\\Providers\\ConsoleSupportServiceProvider',
  'Foundation\\Providers\\FoundationServiceProvider',
  'Hashing\\HashServiceProvider',
  'Pipeline\\PipelineServiceProvider',
  'Queue\\QueueServiceProvider',
  'Session\\SessionServiceProvider',
  'Translation\\TranslationServiceProvider',
  'Validation\\ValidationServiceProvider',
  'View\\ViewServiceProvider',
];
const classes = (names) => `[${names.map((name) => `\\${name}::class`).join(', ')}]`;
const aliases = ['Auth', 'DB', 'Http', 'Log', 'Route'].map((name) => `'${name}' => \\Illuminate\\Support\\Facades\\${name}::class`);

const SITE = {
  'composer.json': '{"autoload": {"psr-4": {"App\\\\": "app/"}}}',
  'bootstrap/app.php': `<?php
${NEEDED.map((file) => `require_once '${file}';`).join('\n')}
spl_autoload_register(function ($class) {
    $file = dirname(__DIR__).'/'.lcfirst(strtr($class, '\\\\', '/')).'.php';
    is_file($file) && require $file;
});
$app = new Illuminate\\Foundation\\Application(dirname(__DIR__));
$app->singleton(Illuminate\\Contracts\\Http\\Kernel::class, App\\Http\\Kernel::class);
$app->singleton(Illuminate\\Contracts\\Console\\Kernel::class, Illuminate\\Foundation\\Console\\Kernel::class);
$app->singleton(Illuminate\\Contracts\\Debug\\ExceptionHandler::class, Illuminate\\Foundation\\Exceptions\\Handler::class);
return $app;
`,
  'artisan': `<?php
$app = require __DIR__.'/bootstrap/app.php';
$input = new Symfony\\Component\\Console\\Input\\ArgvInput;
exit($app->make(Illuminate\\Contracts\\Console\\Kernel::class)->handle($input, new Symfony\\Component\\Console\\Output\\ConsoleOutput));
`,
  'public/index.php': `<?php
if (is_file(__DIR__.parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH))) {
    return false;
}
$kernel = (require __DIR__.'/../bootstrap/app.php')->make(Illuminate\\Contracts\\Http\\Kernel::class);
$response = $kernel->handle($request = Illuminate\\Http\\Request::capture())->send();
$kernel->terminate($request, $response);
`,
  'app/Http/Kernel.php': `<?php
namespace App\\Http;

class Kernel extends \\Illuminate\\Foundation\\Http\\Kernel
{
    protected $middlewareGroups = ['web' => ${classes(MIDDLEWARE)}];
    protected $routeMiddleware = ['auth' => \\Illuminate\\Auth\\Middleware\\Authenticate::class];
}
`,
  'app/Http/Controllers/Controller.php': `<?php
namespace App\\Http\\Controllers;

abstract class Controller extends \\Illuminate\\Routing\\Controller
{
}
`,
  'app/Providers/RouteServiceProvider.php': `<?php
namespace App\\Providers;

use Illuminate\\Support\\Facades\\Route;

class RouteServiceProvider extends \\Illuminate\\Foundation\\Support\\Providers\\RouteServiceProvider
{
    public function boot()
    {
        $this->routes(fn () => Route::middleware('web')->group(base_path('routes/web.php')));
    }
}
`,
  'app/Models/User.php': `<?php
namespace App\\Models;

class User extends \\Illuminate\\Foundation\\Auth\\User
{
    protected $fillable = ['id'];
}
`,
  'app/Models/Order.php': `<?php
namespace App\\Models;

class Order extends \\Illuminate\\Database\\Eloquent\\Model
{
    protected $fillable = ['item', 'user_id'];
}
`,
  'database/migrations/2024_01_01_000000_create_tables.php': `<?php
use Illuminate\\Support\\Facades\\Schema;

return new class extends \\Illuminate\\Database\\Migrations\\Migration
{
    public function up()
    {
        Schema::create('users', function ($table) {
            $table->id();
            $table->timestamps();
        });
        Schema::create('orders', function ($table) {
            $table->id();
            $table->string('item');
            $table->foreignId('user_id');
            $table->timestamps();
        });
    }
};
`,
  'database/database.sqlite': '',
  'config/app.php': `<?php return [
    'key' => str_repeat('tests of', 4), 'cipher' => 'AES-256-CBC', 'locale' => 'en', 'env' => 'production', 'debug' => false,
    'providers' => [...${classes(PROVIDERS.map((name) => `Illuminate\\${name}`))}, App\\Providers\\AppServiceProvider::class, App\\Providers\\RouteServiceProvider::class],
    'aliases' => [${aliases}],
];
`,
  'config/auth.php': `<?php return [
    'defaults' => ['guard' => 'web'], 'guards' => ['web' => ['driver' => 'session', 'provider' => 'users']],
    'providers' => ['users' => ['driver' => 'eloquent', 'model' => App\\Models\\User::class]],
];
`,
  'config/cache.php': `<?php return ['default' => 'array', 'stores' => ['array' => ['driver' => 'array']]];\n`,
  'config/database.php': `<?php return [
    'default' => 'sqlite', 'migrations' => 'migrations',
    'connections' => ['sqlite' => ['driver' => 'sqlite', 'database' => database_path('database.sqlite')]],
];
`,
  'config/logging.php': `<?php return [
    'default' => 'stderr',
    'channels' => ['stderr' => ['driver' => 'monolog', 'handler' => Monolog\\Handler\\StreamHandler::class, 'with' => ['stream' => 'php://stderr']]],
];
`,
  'config/session.php': `<?php return [
    'driver' => 'file', 'files' => storage_path('framework/sessions'), 'lifetime' => 120, 'lottery' => [0, 100], 'expire_on_close' => false,
    'encrypt' => false, 'cookie' => 'session', 'path' => '/', 'domain' => null, 'secure' => false, 'http_only' => true, 'same_site' => 'lax',
];
`,
  'config/view.php': `<?php return ['paths' => [resource_path('views')], 'compiled' => storage_path('framework/views')];\n`,
};

/** Files that a site has already, in which what is printed has its place. */
const AROUND = {
  'app/Providers/AppServiceProvider.php': (printed) => `<?php
namespace App\\Providers;

class AppServiceProvider extends \\Illuminate\\Support\\ServiceProvider
{
    public function register()
    {
${printed}    }
}
`,
  'config/services.php': (printed) => `<?php return [\n${printed}];\n`,
  'routes/web.php': (printed) => `<?php

use Illuminate\\Support\\Facades\\Auth;
use Illuminate\\Support\\Facades\\Route;

Route::get('/sign-in/{user}', function (string $user) {
    Auth::login(App\\Models\\User::firstOrCreate(['id' => $user]));
});

${printed}`,
};

export const laravel = {
  heading: 'Laravel',
  version: VERSION,
  scripts: 'public',
  forged: 419,
  env: {},
  ready: /Development Server .* started/,

  missing() {
    const needed = `${NEEDED.map((file) => `require "${file}"; `).join('')}new PDO("sqlite::memory:");`;
    const version = '"Laravel ".(float) Illuminate\\Foundation\\Application::VERSION." and PHP ".(float) PHP_VERSION';
    return missing(VERSION, `php -r '${needed} echo ${version};'`);
  },

  async prepare({ folder, printed }) {
    for (const empty of ['bootstrap/cache', 'storage/framework/sessions', 'storage/framework/views', 'storage/logs']) {
      mkdirSync(join(folder, empty), { recursive: true });
    }
    for (const [name, content] of Object.entries(SITE)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    for (const [name, around] of Object.entries(AROUND)) printed[name] = around(printed[name]);
  },

  async build({ run }) {
    await run('php', ['artisan', 'migrate', '--force']);
    await run('php', ['artisan', 'config:cache']);
  },

  // What is cached counts, and no variable.
  command: (port) => ['env', '-i', 'php', '-S', `127.0.0.1:${port}`, '-t', 'public', 'public/index.php'],
};
