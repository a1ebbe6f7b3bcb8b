//! The token that is shown to the server.

use pushnote_cli::{Failure, SECRET_VARIABLE, read_secret, secret_source};
use pushnote_core::{ChannelName, JwtKeys, Keys, TokenError, Tokenizer, UserId};

use super::info::Info;
use super::question::Verdict;
use crate::doctor::args::PageArgs;
use crate::doctor::report::{Fault, Report};
use crate::token::{allowed, make, now, read_token};

const CHECK: &str = "token";

pub(super) struct Token {
    pub(super) text: String,
    /// What is wrong with it, by the secret here.
    flaw: Option<TokenError>,
    has_secret: bool,
    /// Its user, whom no page has.
    pub(super) nobody: Option<String>,
}

/// The flags' token, or one that is made with the secret, if either is there.
pub(super) fn read(args: &PageArgs) -> Result<Option<Token>, Failure> {
    let keys = keys(args)?;
    if let Some(argument) = &args.token {
        let text = read_token(argument)?;
        let flaw = keys.as_ref().and_then(|keys| allowed(keys, JwtKeys::default(), &text).err());
        return Ok(Some(Token { text, flaw, has_secret: keys.is_some(), nobody: None }));
    }
    let Some(keys) = keys else { return Ok(None) };
    if let Some(channel) = &args.channel {
        let channel =
            ChannelName::new(channel).map_err(|error| Failure::usage(format!("--channel: {error}")))?;
        let text = Tokenizer::new(&keys).tokenize_channel(&channel, now(), None);
        return Ok(Some(Token { text, flaw: None, has_secret: true, nobody: None }));
    }
    let nobody = format!("pushnote-doctor-{:08x}", getrandom::u32().unwrap_or_default());
    let user = UserId::new(args.user.as_ref().unwrap_or(&nobody));
    let user = user.map_err(|error| Failure::usage(format!("--user: {error}")))?;
    let nobody = args.user.is_none().then_some(nobody);
    Ok(Some(Token { text: make(&keys, &user, None), flaw: None, has_secret: true, nobody }))
}

fn keys(args: &PageArgs) -> Result<Option<Keys>, Failure> {
    let file = args.secret_file.as_deref();
    if file.is_none() && std::env::var_os(SECRET_VARIABLE).is_none() && args.user.is_none() {
        return Ok(None);
    }
    let keys = Keys::parse(&read_secret(file)?);
    keys.map(Some).map_err(|error| Failure::config(format!("{}: {error}", secret_source(file))))
}

/// Says what the server thinks of it.
pub(super) fn judge(token: Option<&Token>, verdict: &Verdict, info: &Info, report: &mut Report) {
    let code = match verdict {
        Verdict::Subscribed(subject) => {
            return report.ok("page", CHECK, format_args!("the server takes it: subscribed {subject}"));
        }
        Verdict::Refused(code) => code.as_str(),
    };
    let text = match code {
        "token_invalid" => invalid(token),
        "token_expired" => format!(
            "it has expired: the page needs a new one; a server takes them for a day (--token-max-age), or as long as they \
             say themselves{}",
            info.clock_hint()
        ),
        "token_from_future" => format!(
            "it is not good yet by the server's clock: set the clocks by NTP, where tokens are made and where the server is; \
             a JWT may have an nbf{}",
            info.clock_hint()
        ),
        "token_missing" => {
            "the channel is not public: give --token or --secret-file, or set public = true in the \
                            channel's rule"
                .to_owned()
        }
        "not_allowed" => {
            "it is good, and not for this: one of a channel is tried with --channel, one of a user without"
                .to_owned()
        }
        "limit" => {
            "it is good, and its user has as many connections as it may (connections_per_user_max)".to_owned()
        }
        _ => "the server refuses it, and gives no reason that is known here: is it of the same version?"
            .to_owned(),
    };
    report.fail("page", &Fault::setting(CHECK, text));
}

fn invalid(token: Option<&Token>) -> String {
    match token {
        Some(Token { flaw: Some(TokenError::Invalid(flaw)), .. }) => {
            format!("the server refuses it (token_invalid), and by the secret here: {flaw}")
        }
        Some(Token { flaw: Some(error), .. }) => {
            format!("the server refuses it (token_invalid), and by the secret here: {error}")
        }
        Some(Token { has_secret: true, .. }) => {
            "the server refuses it (token_invalid), and by the secret here it is good: the server has another secret; it reads \
             its own again on SIGHUP"
                .to_owned()
        }
        _ => "the server refuses it (token_invalid): is it whole, and made with the server's secret? With --secret-file it is \
              said what is wrong with it"
            .to_owned(),
    }
}
