#!/usr/bin/env perl
# Authen::SASL's own DIGEST-MD5 as a server, in lines of base64 over standard input and output.
#   serve.pl HOST REALM PASSWORD
# It sends its challenge, reads the response, sends its proof, and then for each line that it reads two: what the
# buffer in it held (`!` when it takes none of it), and a buffer of the same octets.
use strict;
use warnings;
use MIME::Base64;
use Authen::SASL qw(Perl);

$| = 1;
my ($host, $realm, $password) = @ARGV;    # octets in UTF-8

sub say_it { print defined $_[0] ? encode_base64($_[0], '') : '!', "\n" }
sub hear { my $line = <STDIN>; exit unless defined $line; decode_base64($line) }

my $secret = sub { my ($server, $names, $answer) = @_; $answer->($password) };
my $sasl = Authen::SASL->new(mechanism => 'DIGEST-MD5', callback => { getsecret => $secret, realm => $realm });
my $server = $sasl->server_new('ldap', $host);
$server->server_start('', \&say_it);
$server->server_step(hear(), \&say_it);
exit 49 if $server->error;
while (1) {
    my $buffer = hear();
    say_it($server->decode($buffer, length $buffer));
    say_it($server->encode($buffer));
}
